"""Training runs: the loop, the run folder, and the rows of the tables."""

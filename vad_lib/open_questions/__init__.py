"""What the paper leaves open, tried in a grid of runs."""

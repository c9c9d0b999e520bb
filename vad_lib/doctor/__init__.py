"""Why is my number different? Scores and a ground truth under every convention in use; which of them explain a claimed number."""

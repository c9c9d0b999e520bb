"""Scores to metrics, intervals and comparisons."""

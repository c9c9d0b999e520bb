"""Figures, each with its plotted points."""

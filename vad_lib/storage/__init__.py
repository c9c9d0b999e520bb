"""Paths, atomic writing, careful reading, locks and provenance."""

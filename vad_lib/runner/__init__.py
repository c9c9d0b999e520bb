"""The chain of notebooks and how it is executed."""

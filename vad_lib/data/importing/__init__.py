"""Folders of features or videos, with their lists, to a data set of this library: a public set, or one's own.

:mod:`~vad_lib.data.importing.discover` says what a folder may hold; ``python -m vad_lib.data.importing`` is the command.
"""

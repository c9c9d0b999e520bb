"""Folders of features or videos, with their lists, to a data set of this library: UCF-Crime, XD-Violence, or one's own.

:mod:`~vad_lib.data.importing.discover` says what a folder may hold; ``python -m vad_lib.data.importing`` is the command.
"""

"""Figures of the lessons, a module for each: code that makes a picture and teaches nothing else.

Every function returns a figure with its alternative text, made of the plotted points; a lesson shows it with
:func:`vad_lib.report.figures.style.show`. What a lesson computes stands in its cells, not here. Legend: T segments or snippets of
a video, C categories, M prototypes of a bank.
"""

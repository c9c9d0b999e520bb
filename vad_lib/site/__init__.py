"""The site: static pages made of committed results alone, which open from disk without a server and ask no network for anything.

``python -m vad_lib.site`` (or ``make site``) writes them. :mod:`vad_lib.site.build` lists the pages; templates, style and scripts
lie in ``vad_lib/site/web``. Notebooks go through nbconvert, formulas become MathML through latex2mathml.

Jupyter Book 2 is not used: it is a Node.js program (mystmd) in a Python wrapper, needs Node.js and its npm packages to run and
takes the template of a site from a server, so neither ``requirements.lock`` nor a machine without a network could build it.
"""

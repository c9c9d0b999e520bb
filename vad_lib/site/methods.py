"""The pages of the compared methods and of the paper's equations, with links to the source that computes them."""

import importlib
import inspect
import re
from pathlib import Path

from vad_lib.registry import METHODS
from vad_lib.report.equations import EQUATIONS, equation_places
from vad_lib.report.figures.method_map import LANES
from vad_lib.site.links import Links, slug
from vad_lib.site.page import Page, filled, relative
from vad_lib.site.sources import line_of


def methods_page(links: Links) -> Page:
    """A card per method of the registry: paper, idea, what it builds on, and the head of its file.

    Args:
        links: of the site; the files of the methods are noted there.
    """
    path, cards = "methods.html", []
    for spec in METHODS.values():
        module = spec.root.removesuffix(".SPEC")
        file = f"{module.replace('.', '/')}.py"
        head = inspect.cleandoc(importlib.import_module(module).__doc__ or "")
        cards.append(
            {
                "spec": spec,
                "question": LANES[spec.question][0],
                "builds_on": [METHODS[name] for name in spec.builds_on],
                "file": file,
                "source": relative(links.place(file), path),
                "head": head,
            }
        )
    return Page(path, "Methods", filled("methods.html.j2", cards=cards), "methods", contents=True)


def equations_page(links: Links, notebooks: Path, read: str) -> Page:
    """Every equation of the paper with its function, its test, and the section of a notebook that explains it.

    Args:
        links: of the site; functions and tests are noted there.
        notebooks: folder of the project's notebooks, in which equations are looked up.
        read: path of the page of all notebooks, for an equation without a place.
    """
    path, places = "equations.html", equation_places(notebooks)
    rows = []
    for equation in EQUATIONS:
        module, _, name = equation.function.rpartition(".")
        file = f"{module.replace('.', '/')}.py"
        line = line_of(links.root / file, name)
        found = re.fullmatch(r"(.+\.ipynb), \*(.*)\*", places.get(equation.number, ""))
        page = links.pages.get(f"notebooks/{found[1]}", read) if found else read
        rows.append(
            {
                "equation": equation,
                "function": equation.function.removeprefix("vad_lib."),
                "source": f"{relative(links.place(file), path)}#L{line}",
                "test": relative(links.place(equation.test), path),
                "notebook": found[1].removesuffix(".ipynb") if found else "",
                "heading": found[2].replace("*", "").replace("`", "") if found else "",
                "explained": relative(page, path) + (f"#{slug(found[2])}" if found else ""),
            }
        )
    return Page(path, "Equations", filled("equations.html.j2", rows=rows), "equations")

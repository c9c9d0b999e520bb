"""Slides of executed lessons: Jupyter's own division into slides, in one file each that asks nothing of a network."""

import html
import re
from collections.abc import Iterator
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from nbconvert import SlidesExporter
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from vad_lib.errors import MissingFileError
from vad_lib.report.formulas import MathRenderer
from vad_lib.storage.writing import write_text

ROWS = 18  # lines of code that a slide holds


def write_slides(executed: Path, target: Path) -> list[Path]:
    """Slides of executed lessons. Each file is whole: pictures, formulas (MathML), style and keys are in it.

    Args:
        executed: folder of executed notebooks.
        target: folder for ``NAME.slides.html``.

    Returns:
        The files that were written.

    Raises:
        MissingFileError: the folder has no notebook.
        DataError: a formula cannot be drawn; the message names notebook and formula.
    """
    sources = sorted(executed.glob("*.ipynb"))
    if not sources:
        raise MissingFileError(f"{executed}: expected executed lessons, found none; `make course` makes them.")
    written = []
    for path in sources:
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [part for cell in notebook.cells for part in parts(cell)]
        text, _ = _Exporter(path.name).from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        written.append(target / f"{path.stem}.slides.html")
        write_text(written[-1], text)
    return written


def parts(cell: Any) -> Iterator[Any]:
    """A cell as its parts on slides.

    A heading begins a slide. Of an exercise, the task comes first and its solution on the next slide. Where code and what it
    shows are too much for one slide, they get two. Code that only writes a text or fetches a drawing is left out, and so is
    *Further reading*, which is for the desk.

    Args:
        cell: of an executed notebook.
    """
    kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
    if kind == "skip":
        yield cell
        return
    if cell.cell_type == "markdown":
        for number, text in enumerate(re.split(r"\n(?=#{1,4} )", cell.source)):
            on_slide = "skip" if text.startswith("## Further reading") else "subslide" if number else kind
            yield _words(cell, str(number), on_slide, text)
        return
    source = re.sub(r"\n{3,}", "\n\n", cell.source)
    if "solution" in cell.metadata.get("tags", ()):
        before, task, source = _exercise(source)
        if before:
            yield _part(cell, "before", kind, before, [])
        yield _words(cell, "task", "subslide" if before else kind, task)
        kind = "subslide"
    elif source.startswith("drawing(") or (cell.outputs and all("text/markdown" in _data(output) for output in cell.outputs)):
        source = ""
    if source and cell.outputs and source.count("\n") + 1 + sum(map(_rows, cell.outputs)) > ROWS:
        yield _part(cell, "code", kind, source, [])
        yield _part(cell, "shown", "subslide", "", cell.outputs)
    else:
        yield _part(cell, "whole", kind, source, cell.outputs)


def _exercise(source: str) -> tuple[str, str, str]:
    """The code before a task; the comment that says it, as a paragraph, with a new line at each wide gap; its solution."""
    before, found, rest = source.partition("# Exercise ")
    lines = (found + rest).splitlines()
    task = [line[1:] for line in takewhile(lambda line: line.startswith("#"), lines)]
    words = re.sub(" {3,}", "\n", "".join(task).strip())
    return before.strip(), f'<p class="task">{html.escape(words)}</p>', "\n".join(lines[len(task) :])


def _data(output: Any) -> dict[str, Any]:
    return dict(output.get("data", {}))


def _rows(output: Any) -> int:
    """About how many lines of code are as high as an output."""
    data = _data(output)
    if "image/png" in data:
        return 14
    if "text/html" in data:
        return int(data["text/html"].count("<tr"))
    return len(data.get("text/markdown", "")) // 80 + 1 if data else int(output.get("text", "").count("\n"))


def _words(cell: Any, name: str, kind: str, text: str) -> Any:
    return nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-{name}", metadata={"slideshow": {"slide_type": kind}})


def _part(cell: Any, name: str, kind: str, source: str, outputs: list[Any]) -> Any:
    metadata = {**cell.metadata, "slideshow": {"slide_type": kind}}
    return nbformat.v4.new_code_cell(source, id=f"{cell.id}-{name}", metadata=metadata, outputs=outputs)


class _Exporter(SlidesExporter):
    """Jupyter's division into slides, in a frame of our own instead of reveal.js, which would come from a network."""

    def __init__(self, name: str) -> None:
        folder = resources.files("vad_lib.course") / "resources"
        style, script, template = (
            (folder / file).read_text(encoding="utf-8") for file in ("slides.css", "slides.js", "slides.html.j2")
        )
        super().__init__(raw_template=template)
        self._name = name
        self.environment.globals |= {"slides_style": style, "slides_script": script}

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        return str(MarkdownWithMath(renderer=MathRenderer(f"{self._name}, slides")).render(source))

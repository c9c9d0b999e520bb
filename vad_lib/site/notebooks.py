"""Notebooks as pages: nbconvert with a template of our own, formulas as MathML, pictures as files with their alternative text."""

import html
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExtractOutputPreprocessor
from PIL import Image

from vad_lib.errors import DataError
from vad_lib.report.web_files import web_file
from vad_lib.site.links import Links
from vad_lib.site.markdown import Text, scrolling, to_html
from vad_lib.site.page import Page, plain_text, relative
from vad_lib.storage.reading import read_text

OPEN_LINES = 14  # code cells of at most so many lines are open at first
SHOWN = (  # kinds of output, the best first
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/html",
    "text/markdown",
    "text/plain",
)
NO_ALTERNATIVE = "A figure made by the code above it. Its description was not written when this notebook was executed."


@dataclass(frozen=True)
class Source:
    """A notebook that becomes a page.

    Attributes:
        path: in the project.
        page: path of its page in the site.
        folders: in the project, that its links may be seen from.
        dataset: that it was executed on; empty for none or all.
        download: path in the project of the notebook that a reader would open; empty for none.
    """

    path: str
    page: str
    folders: tuple[str, ...]
    dataset: str = ""
    download: str = ""


@dataclass
class Made:
    """A notebook's page with what belongs to it.

    Attributes:
        page: without its frame.
        files: path in the site -> content, of its pictures.
        undescribed: places of pictures without alternative text.
        has_exercises: whether it has a section of exercises.
    """

    page: Page
    files: dict[str, bytes]
    undescribed: list[str]
    has_exercises: bool


class _Exporter(HTMLExporter):
    """nbconvert's exporter with this site's Markdown, pictures and tables."""

    def __init__(self, text: Text, **options: Any) -> None:
        super().__init__(**options)
        self._text = text
        self.undescribed: list[str] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        for name in ("figure", "output_html", "fold", "summary"):
            self.register_filter(name, getattr(self, f"_{name}"))

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        cell = context.get("cell", {})
        is_output = cell.get("cell_type") == "code"
        with self._text.at(f"cell {cell.get('id', '')}", 3 if is_output else 1):
            return to_html(source, self._text, cell.get("attachments"))

    def _figure(self, output: dict[str, Any], kind: str, cell: dict[str, Any]) -> str:
        about = output.get("metadata", {})
        alternative = about.get(kind, {}).get("alt") or about.get("alt") or cell.get("metadata", {}).get("alt")
        if not alternative:
            self.undescribed.append(f"{self._text.source}, cell {cell.get('id', '')}")
        file = about["filenames"][kind]
        return f'<img src="{html.escape(file)}" alt="{html.escape(alternative or NO_ALTERNATIVE)}" loading="lazy">'

    def _output_html(self, markup: str) -> str:
        """HTML of an output: pandas' styles, scripts and borders go, wide tables scroll."""
        markup = re.sub(r"<(style|script)\b.*?</\1>", "", markup, flags=re.DOTALL)
        markup = re.sub(r' border="1"| style="text-align: right;"', "", markup)
        return scrolling(markup.replace("<th></th>", "<td></td>"))

    def _fold(self, cell: dict[str, Any]) -> str:
        """Whether a code cell is open at first."""
        tags = cell.get("metadata", {}).get("tags", [])
        return "" if cell["source"].count("\n") >= OPEN_LINES or "injected-parameters" in tags else " open"

    def _summary(self, cell: dict[str, Any]) -> str:
        tags = cell.get("metadata", {}).get("tags", [])
        words = {"parameters": "Parameters", "injected-parameters": "Parameters of this execution"}
        first = next((words[tag] for tag in words if tag in tags), "Code")
        lines = cell["source"].count("\n") + 1
        return f"{first}, {lines} {'line' if lines == 1 else 'lines'}"


@cache
def _template() -> str:
    return web_file("vad_lib.site", "notebook.html.j2")


def notebook_page(links: Links, source: Source, section: str) -> Made:
    """Make the page of a notebook.

    Args:
        links: of the site; what the notebook links to is noted there.
        source: the notebook.
        section: key of the entry of the navigation.

    Raises:
        DataError: it is no notebook, has no heading, or has a formula that cannot be drawn; the message names file and cell.
    """
    path = links.root / source.path
    content = read_text(path, "a notebook")
    try:
        notebook = nbformat.reads(content, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise DataError(f"{path}: expected a notebook, but it cannot be read ({str(error)[:200]}). Make it again.") from error
    text = Text(links, source.page, source.path, source.folders, dataset=source.dataset)
    stem = Path(source.page).stem
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output):
        kind = next((kind for kind in SHOWN if kind in output.data), None)  # widgets and scripts show their text
        output.data = {kind: output.data[kind]} if kind else {}
    exporter = _Exporter(text, raw_template=_template(), template_name="base")
    pictures = ExtractOutputPreprocessor(enabled=True, output_filename_template="{cell_index}-{index}{extension}")
    exporter.register_preprocessor(pictures)
    body, resources = exporter.from_notebook_node(notebook, {"output_files_dir": f"{stem}_pictures", "unique_key": stem})
    folder = source.page.rpartition("/")[0]
    files = {f"{folder}/{name}": data for name, data in resources["outputs"].items()}
    body = re.sub(r'<img [^>]*?src="([^"]+)"', lambda found: _sized(found, files, folder), body)
    title = re.search(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)
    if title is None:
        raise DataError(f"{path}: expected a heading of the first level, found none; begin the first cell with `# `.")
    exercises = re.search(r'<h[23] id="exercises?"', body) is not None
    links_above = _above(links, source)
    body = f"{body[: title.end()]}\n{links_above}\n{body[title.end() :]}"
    page = Page(source.page, plain_text(title[1]), body, section, contents=True)
    return Made(page, files, exporter.undescribed, exercises)


def _sized(found: re.Match[str], files: dict[str, bytes], folder: str) -> str:
    """With the size of the picture: the page does not jump while pictures are loaded."""
    data = files.get(f"{folder}/{found[1]}")
    if data is None or found[1].endswith(".svg"):
        return found[0]
    with Image.open(io.BytesIO(data)) as image:
        return f'{found[0]} width="{image.width}" height="{image.height}"'


def _above(links: Links, source: Source) -> str:
    words = f"Executed on {html.escape(source.dataset)}." if source.dataset else ""
    if source.download:
        file = links.copied.setdefault(source.download, f"downloads/{source.download}")
        words += f' <a href="{relative(file, source.page)}" download>Download this notebook</a> to run it yourself.'
    button = '<button type="button" class="fold-all" hidden>Close all code</button>'
    return f'<p class="about">{words} {button}</p>'

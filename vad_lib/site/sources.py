"""Pages of source text: files of the project that other pages link to, with a number and an anchor at each line."""

import html
import re
from pathlib import Path

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import TextLexer, get_lexer_for_filename  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from vad_lib.site.links import Links
from vad_lib.site.page import Page, relative
from vad_lib.storage.reading import read_text

LARGEST_BYTES = 200_000  # of a file that is shown whole


def source_pages(links: Links, repository: str) -> list[Page]:
    """A page for each file and folder in ``links.sources``, those that these name in turn left out.

    Args:
        links: of the site, after all other pages were made.
        repository: address that a path in the project is added to, for links to it; empty for none.
    """
    pages = []
    for path, place in sorted(links.sources.items()):
        whole = links.root / path
        address = html.escape(f"{repository.rstrip('/')}/{path}")
        there = f'<p><a href="{address}">In the repository</a></p>' if repository else ""
        shown = _folder(links, whole, path, place) if whole.is_dir() else _text(whole)
        body = f'<h1 class="path">{html.escape(path)}</h1>\n{there}{shown}'
        pages.append(Page(place, path, body))
    return pages


def _text(path: Path) -> str:
    text = read_text(path)
    if len(text) > LARGEST_BYTES:
        text = text[:LARGEST_BYTES] + f"\n... ({len(text):,} characters in all)\n"
    try:
        lexer = get_lexer_for_filename(path.name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    formatter = HtmlFormatter(cssclass="highlight source", linespans="L", wrapcode=True)
    # linespans gives each line a span; its id is what the links of other pages name
    return str(highlight(text, lexer, formatter)).replace('id="L-', 'class="line" id="L')


def _folder(links: Links, folder: Path, path: str, page: str) -> str:
    items = []
    for child in sorted(folder.iterdir()):
        inside = f"{path}/{child.name}"
        if child.name.startswith((".", "__pycache__")):
            continue
        place = links.pages.get(inside) or links.sources.get(inside) or links.pages.get(f"{inside}/README.md")
        name = html.escape(child.name + "/" * child.is_dir())
        items.append(f'<li><a href="{relative(place, page)}">{name}</a></li>' if place else f"<li>{name}</li>")
    return f"<ul>\n{''.join(items)}\n</ul>"


def line_of(path: Path, name: str) -> int:
    """Line at which a function or class of a Python file begins, counted from 1; 1 if it has none of this name."""
    found = re.search(rf"(?m)^(?:def|class) {re.escape(name)}\b", read_text(path))
    return 1 + found.string[: found.start()].count("\n") if found else 1

"""What every page is: its own content in the one frame of header, navigation and footer."""

import html
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
from jinja2.filters import do_striptags

NAME = "Weakly supervised video anomaly detection: a companion"


class Entry(NamedTuple):
    """One entry of the navigation.

    Attributes:
        key: which pages belong to it.
        title: as the navigation shows it.
        path: of its page, from the site's folder.
    """

    key: str
    title: str
    path: str


NAVIGATION = (
    Entry("explorer", "Explorer", "explorer.html"),
    Entry("read", "Read", "notebooks.html"),
    Entry("teach", "Teach", "lessons.html"),
    Entry("run", "Run", "run.html"),
    Entry("findings", "Findings", "findings.html"),
    Entry("tables", "Tables", "tables.html"),
    Entry("methods", "Methods", "methods.html"),
    Entry("equations", "Equations", "equations.html"),
    Entry("deviations", "Deviations", "deviations.html"),
    Entry("changelog", "Changelog", "changelog.html"),
)


class Heading(NamedTuple):
    """A heading that can be linked to.

    Attributes:
        level: 2 or 3 as a rule.
        anchor: its id.
        text: without markup.
    """

    level: int
    anchor: str
    text: str


@dataclass
class Page:
    """One page.

    Attributes:
        path: from the site's folder, with forward slashes, ending ``.html``.
        title: text of the title and of the only h1.
        body: HTML between header and footer, its h1 included.
        section: key of its entry in :data:`NAVIGATION`; empty for none.
        scripts: names of the scripts of ``web`` that it needs beside ``site.js``.
        contents: whether a table of contents stands at its side.
    """

    path: str
    title: str
    body: str
    section: str = ""
    scripts: tuple[str, ...] = ()
    contents: bool = False


def relative(target: str, page: str) -> str:
    """The way from one page to another file, both from the site's folder; a fragment stays.

    Example:
        >>> relative("notebooks/00.html#cell-id=a", "tables/table1.html"), relative("site.css", "index.html")
        ('../notebooks/00.html#cell-id=a', 'site.css')
    """
    path, mark, fragment = target.partition("#")
    return quote(posixpath.relpath(path, posixpath.dirname(page) or ".")) + mark + fragment


@cache
def templates() -> jinja2.Environment:
    """The templates of ``vad_lib/site/web``; what is put in is escaped unless it is marked as HTML."""
    loader = jinja2.PackageLoader("vad_lib.site", "web")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["relative"] = relative
    return environment


def filled(template: str, **values: Any) -> str:
    """A template of ``web`` with these values."""
    return templates().get_template(template).render(**values)


def framed(page: Page, entries: tuple[Entry, ...]) -> str:
    """The whole HTML of a page.

    Args:
        page: with its body.
        entries: of the navigation; those whose pages are part of the site.
    """
    contents = [heading for heading in headings(page.body) if heading.level in (2, 3)] if page.contents else []
    return filled("page.html.j2", page=page, entries=entries, name=NAME, contents=contents)


_HEADING = re.compile(r'<h([1-6])[^>]*?\bid="([^"]+)"[^>]*>(.*?)</h\1>', re.DOTALL)


def headings(body: str) -> Iterator[Heading]:
    """The headings with an id in some HTML, in their order."""
    for level, anchor, inner in _HEADING.findall(body):
        yield Heading(int(level), html.unescape(anchor), plain_text(inner))


def sections(body: str) -> list[tuple[str, str, str]]:
    """Anchor, heading and words of each part of a page; the part before the first heading has none of both.

    Example:
        >>> sections('<p>Hello</p><h2 id="a">One <a class="anchor" href="#a">#</a></h2><p>two</p>')
        [('', '', 'Hello'), ('a', 'One', 'two')]
    """
    body = re.sub(r'<a [^>]*class="anchor"[^>]*>#</a>', "", body)
    first, *pieces = _HEADING.split(body)
    found = [("", "", plain_text(first))]
    found += [(anchor, plain_text(title), plain_text(text)) for anchor, title, text in zip(*(pieces[i::4] for i in (1, 2, 3)))]
    return [part for part in found if part[1] or part[2]]


def plain_text(markup: str) -> str:
    """The words of some HTML, one space between them.

    Example:
        >>> plain_text("<p>An <b>event</b></p><p>of <code>x &lt; 3</code><script>no()</script></p>")
        'An event of x < 3'
    """
    markup = re.sub(r"<(script|style|svg|nav|button)\b.*?</\1>", "", markup, flags=re.DOTALL)
    # striptags joins what stands on both sides of an element, which is right only within a sentence
    apart = re.sub(r"<(?!/?(?:a|b|code|em|i|span|strong|sub|sup|mark)\b)", " <", markup)
    return " ".join(do_striptags(apart).split())

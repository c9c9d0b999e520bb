"""Markdown to HTML as the site shows it: formulas, anchors, links, pictures, tables that can be scrolled."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nbconvert.filters.markdown_mistune import MarkdownWithMath

from vad_lib.report.formulas import MathRenderer
from vad_lib.site.links import Links, slug
from vad_lib.site.page import plain_text


@dataclass
class Text:
    """Where a piece of Markdown stands.

    Attributes:
        links: of the site.
        page: path of the page in the site.
        source: path of the file in the project.
        folders: that its links may be seen from.
        shift: levels that headings go down; 1 below the second heading of the first level, because a page has one only.
        deepest_first: level that the highest heading may have.
        dataset: that the page is about; empty for none.
        part: of the file, for messages, such as ``cell x``.
        anchors: given on this page so far.
    """

    links: Links
    page: str
    source: str
    folders: tuple[str, ...]
    shift: int = 0
    deepest_first: int = 1
    dataset: str = ""
    part: str = ""
    anchors: set[str] = field(default_factory=set)

    @property
    def where(self) -> str:
        return f"{self.source}, {self.part}" if self.part else self.source

    @contextmanager
    def at(self, part: str, deepest_first: int = 1) -> Iterator[None]:
        """Within the block, messages name a part of the file, and no heading is above a level."""
        before = self.part, self.deepest_first
        self.part, self.deepest_first = part, deepest_first
        try:
            yield
        finally:
            self.part, self.deepest_first = before

    def anchor(self, words: str) -> str:
        """An anchor for a heading that no other one on the page has."""
        first, number = slug(words), 1
        anchor = first
        while anchor in self.anchors:
            anchor, number = f"{first}-{number}", number + 1
        self.anchors.add(anchor)
        return anchor


class _Renderer(MathRenderer):
    """HTML as the site wants it; everything else is nbconvert's."""

    def __init__(self, text: Text, attachments: dict[str, Any] | None = None) -> None:
        super().__init__(text.where, attachments)
        self._place = text

    def block_math(self, body: str) -> str:
        return f'<div class="scroll formula">{super().block_math(body)}</div>'

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        first = level == 1 and "h1" not in self._place.anchors and self._place.deepest_first == 1
        if first:
            self._place.anchors.add("h1")
        elif level == 1:
            self._place.shift = 1
        below = 0 if level == 1 else self._place.shift
        down = 1 if first else min(6, max(level + below, self._place.deepest_first, 2))
        anchor = self._place.anchor(plain_text(text))
        mark = "" if first else f' <a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a>'
        return f'<h{down} id="{html.escape(anchor)}">{text}{mark}</h{down}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        place = self._place
        text = re.sub(r"</?a\b[^>]*>", "", text)  # of code in it: what somebody linked leads where they said
        return super().link(text, place.links.resolve(html.unescape(url), place.folders, place.page, place.where), title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        place = self._place
        if not url.startswith(("attachment:", "data:")):
            url = place.links.resolve(html.unescape(url), place.folders, place.page, place.where)
        return super().image(text, url, title).replace("<img ", '<img loading="lazy" ', 1)

    def codespan(self, text: str) -> str:
        code = super().codespan(text)
        found = self._place.links.named(html.unescape(text), self._place.page, self._place.dataset)
        return f'<a href="{found}">{code}</a>' if found else code


def to_html(markdown: str, text: Text, attachments: dict[str, Any] | None = None) -> str:
    """Markdown as HTML.

    Args:
        markdown: its source.
        text: where it stands; anchors are noted there.
        attachments: of a notebook cell.

    Raises:
        DataError: a formula that cannot be drawn; the message says where it stands.
    """
    markdown = re.sub(r"<!--.*?-->\n?", "", markdown, flags=re.DOTALL)
    made = MarkdownWithMath(renderer=_Renderer(text, attachments)).render(markdown)
    made = re.sub(r"<thead>\s*<tr>\s*(?:<th[^>]*></th>\s*)+</tr>\s*</thead>", "", made)  # a table of two columns without names
    return scrolling(made)


def scrolling(markup: str) -> str:
    """Tables and pictures in boxes of their own that scroll sideways; no page grows wider than the window."""
    markup = re.sub(r"<p>(<img [^>]*>)</p>", r'<p class="figure scroll">\1</p>', markup)
    return re.sub(r"(<table\b.*?</table>)", r'<div class="scroll">\1</div>', markup, flags=re.DOTALL)

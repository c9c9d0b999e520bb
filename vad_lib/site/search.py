"""The index that the search page looks words up in: a script, because a page from disk may not read other files."""

import json
import re
from collections.abc import Sequence

from vad_lib.site.page import Page, plain_text

_HEADING = re.compile(r'<h[1-6][^>]*?\bid="([^"]+)"[^>]*>(.*?)</h[1-6]>', re.DOTALL)


def sections(body: str) -> list[tuple[str, str, str]]:
    """Anchor, heading and words of each part of a page; the part before the first heading has none of both.

    Example:
        >>> sections('<p>Hello</p><h2 id="a">One <a class="anchor" href="#a">#</a></h2><p>two</p>')
        [('', '', 'Hello'), ('a', 'One', 'two')]
    """
    body = re.sub(r'<a [^>]*class="anchor"[^>]*>#</a>', "", body)
    pieces = _HEADING.split(body)
    found = [("", "", plain_text(pieces[0]))]
    found += [(anchor, plain_text(title), plain_text(text)) for anchor, title, text in zip(*(pieces[i::3] for i in (1, 2, 3)))]
    return [part for part in found if part[1] or part[2]]


def index_script(pages: Sequence[Page]) -> str:
    """The index as a script that sets ``searchIndex``: path, title and sections of each page."""
    content = [[page.path, page.title, sections(page.body)] for page in pages]
    return f"window.searchIndex = {json.dumps(content, ensure_ascii=False, separators=(',', ':'))};\n"

"""What is wrong with written pages: links and anchors that lead nowhere, ids that are there twice, pictures without words."""

import posixpath
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from vad_lib.storage.reading import read_text


class _Found(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.ids: list[str] = []
        self.undescribed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for name in ("href", "src", "poster", "action") if (value := found.get(name))]
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "img" and found.get("alt") is None:
            self.undescribed.append(found.get("src") or "an image")


def problems(folder: Path) -> list[str]:
    """All that is wrong with the pages in a folder, one line each; links to other sites are not followed.

    Args:
        folder: of the site.
    """
    pages = {path.relative_to(folder).as_posix(): _read(path) for path in sorted(folder.rglob("*.html"))}
    wrong = []
    for page, found in pages.items():
        wrong += [f"{page}: the id {twice} is there twice" for twice, times in sorted(Counter(found.ids).items()) if times > 1]
        wrong += [f"{page}: {image} has no alternative text" for image in found.undescribed]
        for link in found.links:
            target, _, fragment = link.partition("#")
            if "://" in link or link.startswith(("data:", "mailto:")):
                continue
            named = posixpath.join(posixpath.dirname(page), unquote(target.partition("?")[0]))
            path = posixpath.normpath(named) if target else page
            if not (folder / path).is_file() or path.startswith(".."):
                wrong.append(f"{page}: {link} leads to no file")
            elif fragment and path in pages and unquote(fragment) not in pages[path].ids:
                wrong.append(f"{page}: {link} leads to no place on that page")
    return wrong


def _read(path: Path) -> _Found:
    found = _Found()
    found.feed(read_text(path))
    found.close()
    return found

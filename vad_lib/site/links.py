"""Where a link of a notebook or a Markdown file leads in the site."""

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from vad_lib.errors import DataError, first_few
from vad_lib.site.page import relative

# What git holds, seen from the project folder; the rest of results/ and figures/ is whatever somebody has run.
_COMMITTED = (
    "vad_lib/", "tests/", "notebooks/", "scripts/", "benchmarks/", ".github/", ".ci/",
    "results/reference/", "results/reference-quick/", "results/real_footage/", "results/benchmarks/", "results/explorer/",
    "results/course/", "figures/reference/",
)  # fmt: skip
_IMAGES = (".png", ".jpg", ".jpeg", ".svg", ".gif")
_SOURCES = (".py", ".md", ".yml", ".yaml", ".toml", ".csv", ".json", ".js", ".css", ".html", ".cff", ".txt", ".lock", "", ".j2")


def slug(text: str) -> str:
    """The anchor of a heading, as GitHub makes it.

    Example:
        >>> slug("What we learned: *two* things"), slug("Part 1: by hand")
        ('what-we-learned-two-things', 'part-1-by-hand')
    """
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") or "section"


@dataclass
class Links:
    """The links of a site that is being built.

    Attributes:
        root: the project folder.
        pages: path in the project -> path in the site, of all that becomes a page.
        folders: further folders in the project -> path in the site; a link to one of them leads to that page.
        sources: paths in the project of linked files, which become pages of source text.
        copied: paths in the project of pictures and other files -> path in the site to which they are copied.
        problems: links that lead nowhere.
    """

    root: Path
    pages: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    copied: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def committed(self, path: str) -> bool:
        """Whether a path in the project is a file that git holds, as far as its place tells."""
        top = "/" not in path or (path.startswith("results/") and path.count("/") == 1)
        return (top or path.startswith(_COMMITTED)) and (self.root / path).is_file()

    def resolve(self, link: str, folders: tuple[str, ...], page: str, where: str) -> str:
        """A link as a page has to write it; one that leads nowhere is noted in :attr:`problems`.

        Args:
            link: as written.
            folders: paths in the project that it may be seen from, the likeliest first.
            page: path of the page in the site.
            where: it stands, for a message.
        """
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", link):
            return link
        target, mark, fragment = link.partition("#")
        if mark and not fragment.startswith("cell-id="):
            fragment = slug(unquote(fragment))
        if not target:
            return f"#{fragment}"
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, unquote(target)))
            if found := self.place(path):
                return relative(found, page) + mark + fragment
        self.problems.append(f"{where}: {link}")
        return link

    def place(self, path: str) -> str:
        """Where a file or folder of the project lies in the site, as a page, a picture or source text; empty for nowhere."""
        path = path.rstrip("/")
        if path in self.pages:
            return self.pages[path]
        for inside in (f"{path}/README.md", f"{path}/index.md"):
            if inside in self.pages:
                return self.pages[inside]
        if path in self.folders:
            return self.folders[path]
        if path in self.copied:
            return self.copied[path]
        if not self.committed(path):
            is_ours = (self.root / path).is_dir() and f"{path}/".startswith(_COMMITTED)
            return self.sources.setdefault(path, f"source/{path}/index.html") if is_ours else ""
        suffix = Path(path).suffix.lower()
        if suffix in _IMAGES:
            return self.copied.setdefault(path, f"pictures/{path}")
        if suffix in _SOURCES and not path.endswith(".ipynb"):
            return self.sources.setdefault(path, f"source/{path}.html")
        return ""

    def named(self, text: str, page: str, dataset: str = "") -> str:
        """The place that some words in code type name: a notebook, or a file by its path; empty for none.

        Args:
            text: the words.
            page: path of the page in the site that has them.
            dataset: of that page, whose notebooks come first.
        """
        stem = text.removesuffix(".ipynb")
        if re.fullmatch(r"[0-9][0-9]_\w+|own_footage", stem):
            ours = [path for path in self.pages if path.endswith(".ipynb") and Path(path).stem.startswith(stem)]
            ours.sort(key=lambda path: (not path.endswith(f"-{dataset}.ipynb"), path))
            return relative(self.pages[ours[0]], page) if ours else ""
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?|[A-Z]+\.md", text):
            path = text.rstrip("/")
            known = self.committed(path) or path in self.pages or f"{path}/README.md" in self.pages
            found = self.place(path) if known else ""
            return relative(found, page) if found else ""
        return ""

    def check(self) -> None:
        """Raise a DataError if a link led nowhere."""
        if self.problems:
            raise DataError(
                f"the site: expected links to files of the project, {len(self.problems)} lead nowhere: "
                f"{first_few(self.problems)}. Correct them where they are written."
            )

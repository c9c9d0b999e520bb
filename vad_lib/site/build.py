"""All pages of the site, made of committed results and written in one go."""

import json
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vad_lib.data.dataset import load_dataset
from vad_lib.errors import ConfigError, DataError, first_few
from vad_lib.explorer.contents import DataSet, read_contents
from vad_lib.explorer.page import write_page
from vad_lib.report.answers import read_answers
from vad_lib.report.web_files import web_file
from vad_lib.runner.manifest import read_manifest
from vad_lib.site import check, findings, landing, methods, sources, tables
from vad_lib.site.links import Links
from vad_lib.site.markdown import Text, to_html
from vad_lib.site.notebooks import Made, Source, notebook_page
from vad_lib.site.page import NAVIGATION, Page, filled, framed, plain_text, relative, sections
from vad_lib.storage.paths import EXECUTED_LESSONS, LESSONS, PROJECT_ROOT, Layout
from vad_lib.storage.reading import read_text
from vad_lib.storage.writing import partial_folder, replace_folder, write_text

INDEX = "search-index.js"  # also how a folder is known as a site that may be replaced
VIEWER = "viewer"  # folder of the explorer's own page and its videos
WEB = ("site.css", "site.js", "search.js", "clip.js")

# Markdown files that have a page of their own: path in the project -> path in the site, key of the navigation
DOCUMENTS = {
    "README.md": ("run.html", "run"),
    "notebooks/why_is_my_number_different.md": ("why.html", "run"),
    "notebooks/course/lecturer.md": ("lessons/lecturer.html", "teach"),
    "results/deviations.md": ("deviations.html", "deviations"),
    "CHANGELOG.md": ("changelog.html", "changelog"),
    "CONTRIBUTING.md": ("documents/contributing.html", "run"),
    "results/decisions.md": ("documents/decisions.html", "deviations"),
    "results/reference/README.md": ("documents/results.html", "tables"),
    "results/real_footage/README.md": ("documents/real-footage.html", "findings"),
}
MORE_DOCUMENTS = (("results/benchmarks", "benchmark"), ("vad_lib/deployment/models", "model"))


@dataclass
class Built:
    """What was built.

    Attributes:
        folder: of the site.
        pages: how many.
        left_out: parts for which nothing was there, in words.
        undescribed: places of pictures without alternative text.
    """

    folder: Path
    pages: int
    left_out: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)


def build(out: Path, *, strict: bool = False, repository: str = "") -> Built:
    """Build the site; an earlier one in the folder is replaced when the new one is complete.

    Args:
        out: folder of the site.
        strict: whether a picture without alternative text fails the build.
        repository: address that a path in the project is added to, such as ``https://HOST/OWNER/NAME/blob/main``; empty for none.

    Raises:
        ConfigError: the folder holds something that is no site.
        MissingFileError: committed results are missing.
        DataError: a link leads nowhere, a formula cannot be drawn, a file is damaged, or a picture has no alternative text under
            ``strict``; nothing is written then.
        OutputError: the folder cannot be written.
    """
    out = Path(out).expanduser().resolve()
    if out.is_dir() and any(out.iterdir()) and not (out / INDEX).is_file():
        raise ConfigError(f"{out}: expected no folder, an empty one or an earlier site, found other files. Choose another folder.")
    layout = Layout.reference()
    partial = partial_folder(out)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        built = _write(partial, layout, PROJECT_ROOT, strict, repository)
        if wrong := check.problems(partial):
            raise DataError(f"the site: {len(wrong)} problems: {first_few(wrong)}. Correct the sources.")
        replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    built.folder = out
    return built


def _write(folder: Path, layout: Layout, root: Path, strict: bool, repository: str) -> Built:
    built = Built(folder, 0)
    links = Links(root)
    executed, lessons = _notebook_sources(layout, root)
    documents = _documents(root)
    _announce(links, executed, lessons, documents, layout)

    made = {source: notebook_page(links, source, "read") for source in executed}
    taught = {source: notebook_page(links, source, "teach") for source in lessons}
    if not taught:
        built.left_out.append("lessons: notebooks/course and results/course are not there")
    built.undescribed = [place for each in (*made.values(), *taught.values()) for place in each.undescribed]
    if strict and built.undescribed:
        raise DataError(
            f"the site: expected alternative text for every picture, {len(built.undescribed)} have none: "
            f"{first_few(built.undescribed)}. Execute these notebooks again: `make reference`, for lessons `make course`."
        )
    written = [_document_page(links, path, page, key) for path, (page, key) in documents.items()]
    viewed = root / "results/explorer"
    contents = read_contents(viewed) if any(viewed.glob("*.json")) else {}
    if contents:
        write_page(viewed, folder / VIEWER)
    else:
        built.left_out.append("explorer: results/explorer is not there; `python -m vad_lib.explorer --make` makes it")

    datasets = [load_dataset(layout.dataset(name), features=False) for name in read_manifest(layout.manifest).datasets]
    pages_of = {Path(source.path).stem: source.page for source in executed}
    cards = findings.asked_and_found(layout, datasets, pages_of, "findings.html")
    all_cards = findings.asked_in_notebooks(read_answers(layout.tables), pages_of, "findings.html")
    tabled = tables.table_pages(links, layout.tables)
    entries = tuple(entry for entry in NAVIGATION if entry.key != "explorer" or contents)
    numbers = {"notebooks": len({_number(source) for source in executed}), "lessons": len(taught), "tables": len(tabled) - 1}
    first, files = landing.landing_page(links, contents, layout, datasets, cards, numbers, [entry.key for entry in entries])
    pages = [
        first,
        *([_explorer_page(contents)] if contents else []),
        _listing(made, written, {dataset.name: dataset.title for dataset in datasets}),
        *(each.page for each in made.values()),
        _lessons_page(taught, made),
        *(each.page for each in taught.values()),
        findings.findings_page("findings.html", cards, all_cards),
        *tabled,
        methods.methods_page(links),
        methods.equations_page(links, layout.notebooks, "notebooks.html"),
        *written,
        Page("search.html", "Search", filled("search.html.j2"), scripts=(INDEX, "search.js")),
    ]
    links.check()
    pages += sources.source_pages(links, repository)
    for page in pages:
        write_text(folder / page.path, framed(page, entries))
    for each in (*made.values(), *taught.values()):
        files |= each.files
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for source, place in links.copied.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / source, folder / place)
    for name in WEB:
        write_text(folder / name, web_file("vad_lib.site", name))
    write_text(folder / INDEX, _search_index([page for page in pages if page.path != "search.html"]))
    built.pages = len(pages)
    return built


def _search_index(pages: Sequence[Page]) -> str:
    """Path, title and sections of each page, as a script: a page from disk may not read other files."""
    content = [[page.path, page.title, sections(page.body)] for page in pages]
    return f"window.searchIndex = {json.dumps(content, ensure_ascii=False, separators=(',', ':'))};\n"


# --- what there is ----------------------------------------------------------------------------------------


def _notebook_sources(layout: Layout, root: Path) -> tuple[list[Source], list[Source]]:
    """Executed notebooks of the chain, and lessons; of a lesson the executed form with solutions where there is one."""
    names = read_manifest(layout.manifest).datasets
    executed = []
    for path in sorted(layout.executed.glob("*.ipynb")):
        if path.name.endswith(".partial.ipynb"):
            continue
        dataset = next((name for name in names if path.stem.endswith(f"-{name}")), "")
        download = f"notebooks/{path.stem.removesuffix(f'-{dataset}')}.ipynb"
        source = path.relative_to(root).as_posix()
        folders = ("notebooks", posixpath.dirname(source), "")
        executed.append(Source(source, f"notebooks/{path.stem}.html", folders, dataset, _if_there(root, download)))
    if not executed:
        raise DataError(f"{layout.executed}: expected executed notebooks, found none; `make reference` writes them.")
    own = "notebooks/own_footage.ipynb"
    if _if_there(root, own):
        executed.append(Source(own, "notebooks/own_footage.html", ("notebooks", ""), "", own))
    folders_of_lessons = (root / LESSONS, root / EXECUTED_LESSONS)  # the executed form takes the other one's place
    lessons = {path.stem: path for folder in folders_of_lessons for path in sorted(folder.glob("*.ipynb"))}
    taught = []
    for stem, path in sorted(lessons.items()):
        source, download = path.relative_to(root).as_posix(), f"notebooks/course/{stem}.ipynb"
        seen_from = ("notebooks/course", posixpath.dirname(source), "notebooks", "")
        taught.append(Source(source, f"lessons/{stem}.html", seen_from, "", _if_there(root, download)))
    return executed, taught


def _if_there(root: Path, path: str) -> str:
    return path if (root / path).is_file() else ""


def _documents(root: Path) -> dict[str, tuple[str, str]]:
    found = {path: place for path, place in DOCUMENTS.items() if (root / path).is_file()}
    for folder, kind in MORE_DOCUMENTS:
        for path in sorted((root / folder).glob("*.md")):
            found[path.relative_to(root).as_posix()] = (f"documents/{kind}-{path.stem.replace('_', '-')}.html", "")
    return found


def _announce(
    links: Links, executed: Sequence[Source], lessons: Sequence[Source], documents: dict[str, tuple[str, str]], layout: Layout
) -> None:
    """Tell the links of all pages before the first is made."""
    for source in (*executed, *lessons):
        links.pages[source.path] = source.page
        if source.download:
            links.pages.setdefault(source.download, source.page)
    links.pages |= {path: page for path, (page, _) in documents.items()}
    links.pages["results/equations.md"] = "equations.html"
    reference = layout.tables.relative_to(links.root).as_posix()
    for path in layout.tables.glob("*.csv"):
        links.copied[f"{reference}/{path.name}"] = f"tables/{path.name}"
        if path.with_suffix(".md").is_file():
            links.pages[f"{reference}/{path.stem}.md"] = f"tables/{path.stem}.html"
    folders = {"notebooks": "notebooks.html", "notebooks/course": "lessons.html", "results/course": "lessons.html"}
    links.folders |= folders | {layout.executed.relative_to(links.root).as_posix(): "notebooks.html", reference: "tables.html"}


def _number(source: Source) -> str:
    return Path(source.download or source.path).stem


# --- pages that lead to others ------------------------------------------------------------------------------


def _document_page(links: Links, path: str, place: str, key: str) -> Page:
    markdown = read_text(links.root / path)
    text = Text(links, place, path, (posixpath.dirname(path),))
    body = to_html(markdown, text)
    title = plain_text(body.partition("</h1>")[0].partition("<h1")[2].partition(">")[2])
    if not title:
        raise DataError(f"{path}: expected a heading of the first level, found none; begin the file with `# `.")
    return Page(place, title, body, key, contents=True)


def _listing(made: dict[Source, Made], documents: Sequence[Page], titles: Mapping[str, str]) -> Page:
    groups: dict[str, list[tuple[Source, Made]]] = {}
    for source, each in made.items():
        groups.setdefault(_number(source), []).append((source, each))
    rows = [
        (each[0][1].page.title, [(_words(source, titles), relative(source.page, "notebooks.html")) for source, _ in each])
        for each in groups.values()
    ]
    others = [(page.title, relative(page.path, "notebooks.html")) for page in documents]
    return Page("notebooks.html", "Notebooks", filled("listing.html.j2", notebooks=rows, documents=others), "read")


def _words(source: Source, titles: Mapping[str, str]) -> str:
    if source.path.startswith("notebooks/"):
        return "not executed: it wants footage of yours"
    return f"executed on {titles[source.dataset]}" if source.dataset else "executed"


def _lessons_page(taught: dict[Source, Made], made: dict[Source, Made]) -> Page:
    lessons = [(each.page.title, each.page.path) for each in taught.values()]
    seen: dict[str, tuple[str, str]] = {}
    for source, each in made.items():
        if each.has_exercises:
            seen.setdefault(_number(source), (each.page.title, f"{each.page.path}#exercises"))
    body = filled("lessons.html.j2", lessons=lessons, exercises=[*seen.values()])
    return Page("lessons.html", "Teach", body, "teach")


def _explorer_page(contents: Mapping[str, DataSet]) -> Page:
    """The frame around the explorer, which is a page of its own."""
    body = filled("explorer.html.j2", viewer=f"{VIEWER}/explorer.html", titles=[data.title for data in contents.values()])
    return Page("explorer.html", "Explorer", body, "explorer")

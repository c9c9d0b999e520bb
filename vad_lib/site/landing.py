"""The first page: what the paper is, what the companion does and what was found, and ways in."""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from vad_lib.data.dataset import Dataset
from vad_lib.explorer.contents import DataSet
from vad_lib.registry import METHODS
from vad_lib.runs.finished_runs import load_runs
from vad_lib.site.clip import clip
from vad_lib.site.findings import Card, in_one_sentence
from vad_lib.site.links import Links
from vad_lib.site.page import NAME, Page, filled
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_yaml

STILL = "fig3.png"  # shown where the explorer has no clip
CLIP = "pictures/clip.mp4"


def data_sentence(layout: Layout, datasets: Sequence[Dataset]) -> str:
    """Which videos and which runs the results come from.

    Args:
        layout: whose runs are read for their profile.
        datasets: without features.
    """
    parts, profiles = [], set()
    for dataset in datasets:
        train, test = (len(dataset.videos.split(name)) for name in ("train", "test"))
        made = f", rendered by this project in the shape of {dataset.counterpart}" if dataset.synthetic else ""
        parts.append(f"{dataset.title} ({train} training and {test} test videos{made})")
        runs = load_runs(layout, dataset.name, ["proposed"]).get("proposed", [])
        profiles |= {str(run.config["profile"]) for run in runs}
    profile = f" The models were trained with the profile {' and '.join(sorted(profiles))}." if profiles else ""
    return f"The results of this site come from {' and '.join(parts)}.{profile}"


def landing_page(
    links: Links,
    contents: Mapping[str, DataSet],
    layout: Layout,
    datasets: Sequence[Dataset],
    cards: Sequence[Card],
    numbers: Mapping[str, int],
    ways: Sequence[str],
) -> tuple[Page, dict[str, bytes]]:
    """The first page and the files that it brings.

    Args:
        links: of the site.
        contents: of the explorer; empty where there is none.
        layout: of the committed results.
        datasets: without features.
        cards: the findings, of which the first two become a sentence.
        numbers: how many there are of what is named: ``notebooks``, ``lessons``, ``tables``.
        ways: keys of the entries of the navigation that the site has.
    """
    paper = read_yaml(links.root / "CITATION.cff")["preferred-citation"]
    shown, video = clip(contents)
    files = {CLIP: (links.root / "results/explorer" / video).read_bytes()} if video else {}
    values: dict[str, Any] = {"clip": shown, "clip_file": CLIP, "still": None}
    if shown is None:
        path = layout.figures / STILL
        with Image.open(path) as image:
            words = str(getattr(image, "text", {}).get("Alt", "")) or "Scores over time on test videos of the rendered sets."
            size = image.size
        source = path.relative_to(links.root).as_posix()
        values["still"] = {"path": links.copied.setdefault(source, f"pictures/{source}"), "alt": words, "size": size}
    names = [str(author["family-names"]) for author in paper["authors"]]
    values |= {
        "paper": {"title": paper["title"], "year": paper.get("year", "")},
        "authors": f"{names[0]} et al." if len(names) > 2 else " and ".join(names),
        "found": in_one_sentence(cards),
        "data": data_sentence(layout, datasets),
        "num_methods": len(METHODS),
        "numbers": numbers,
        "ways": ways,
        "why": links.pages.get("notebooks/why_is_my_number_different.md", ""),
    }
    return Page("index.html", NAME, filled("landing.html.j2", **values), "home", scripts=("clip.js",) if shown else ()), files

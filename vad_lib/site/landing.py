"""The first page: what the paper is, what the companion does and what was found, and ways in."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image

from vad_lib.data.dataset import Dataset
from vad_lib.explorer.contents import DataSet
from vad_lib.registry import METHODS
from vad_lib.runs.finished_runs import load_runs
from vad_lib.site.findings import Card, in_one_sentence
from vad_lib.site.links import Links
from vad_lib.site.page import NAME, Page, filled
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_yaml

STILL = "fig3.png"  # shown where the explorer has no clip
CLIP = "pictures/clip.mp4"
METHOD = "proposed"  # whose score runs along with the clip
WIDTH, HEIGHT = 1000, 160  # of its curve, in its own units


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
    paper = read_yaml(links.root / "CITATION.cff")["references"][0]
    shown, video = _clip(contents)
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


# --- the clip: a test video with its score, taken from what the explorer shows ---------------------------------


class Clip(NamedTuple):
    """What the first page says of its clip.

    Attributes:
        title: of the video, for people.
        curve: the score over the whole video, as SVG.
        method: its title.
        seed: of the run.
        dataset: its title.
        category: of the event.
        profile: whose run it is.
    """

    title: str
    curve: str
    method: str
    seed: int
    dataset: str
    category: str
    profile: str


def _clip(contents: Mapping[str, DataSet]) -> tuple[Clip | None, str]:
    """The first abnormal video of the explorer with the scores of the first run of the proposed model.

    Args:
        contents: of the explorer.

    Returns:
        what is said of it, and the path of its file in the explorer's folder; None and nothing where there is no such video.
    """
    for data in contents.values():
        run = next((method for method in data.methods if method.name == METHOD), None)
        video = next((video for video in data.videos if video.events), None)
        if run and video:
            first = run.runs[0]
            events = [(event.start / video.frames, event.end / video.frames) for event in video.events]
            drawn = _curve(first.videos[video.name].score, data.frames_per_snippet / video.frames, events)
            found = Clip(video.name.replace("_", " "), drawn, run.title, first.seed, data.title, video.category, data.profile)
            return found, data.file(video.name)
    return None, ""


def _curve(scores: Sequence[float], step: float, events: Sequence[tuple[float, float]]) -> str:
    """A score as steps over events in the background, as SVG; a script moves the cursor and draws the part that has been seen.

    Args:
        scores: of each snippet, in [0, 1].
        step: share of the video that a snippet takes; the last one may reach over the end.
        events: start and end of each, as shares of the video.
    """

    def x(share: float) -> float:
        return round(WIDTH * min(1.0, share), 1)

    def y(score: float) -> float:
        return round(HEIGHT - 8 - (HEIGHT - 16) * score, 1)

    steps = "".join(f"V{y(score)}H{x((place + 1) * step)}" for place, score in enumerate(scores))
    path = f"M0 {y(scores[0])}{steps}"
    bands = "".join(f'<rect class="event" x="{x(a)}" y="0" width="{x(b) - x(a):.1f}" height="{HEIGHT}"/>' for a, b in events)
    lines = "".join(f'<path class="grid" d="M0 {y(value)}H{WIDTH}"/>' for value in (0, 0.5, 1))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" height="110" aria-hidden="true">{bands}{lines}'
        f'<path class="ahead" d="{path}"/><clipPath id="seen"><rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}"/></clipPath>'
        f'<path class="curve" clip-path="url(#seen)" d="{path}"/><path class="now" d="M0 0V{HEIGHT}"/></svg>'
    )

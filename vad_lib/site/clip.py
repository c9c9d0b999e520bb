"""The clip of the first page: a test video with its score, taken from what the explorer shows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vad_lib.explorer.contents import DataSet

METHOD = "proposed"
WIDTH, HEIGHT = 1000, 160  # of the curve, in its own units


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


def clip(contents: Mapping[str, DataSet]) -> tuple[Clip | None, str]:
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
            drawn = curve(first.videos[video.name].score, data.frames_per_snippet / video.frames, events)
            found = Clip(video.name.replace("_", " "), drawn, run.title, first.seed, data.title, video.category, data.profile)
            return found, data.file(video.name)
    return None, ""


def curve(scores: Sequence[float], step: float, events: Sequence[tuple[float, float]]) -> str:
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

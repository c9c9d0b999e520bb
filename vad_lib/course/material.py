"""The small files of the course: bags of features of a few dozen videos, finished runs, and drawings.

They come with the package, so a lesson starts in seconds and downloads nothing. :mod:`vad_lib.course.make_material` makes them
of the profile ``study``.
"""

import base64
import html
import io
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import pandas as pd

from vad_lib.data.segments import segment_means
from vad_lib.errors import ConfigError, did_you_mean
from vad_lib.storage.project_files import of_project
from vad_lib.storage.reading import read_arrays

RESOURCES = files("vad_lib.course") / "resources"
BAGS, RUNS, LOG = "bags.npz", "runs.npz", "log_of_a_run.csv"


@dataclass(frozen=True, eq=False)
class LessonBags:
    """Videos of the rendered set SynthCrime as bags of I3D features.

    Attributes:
        names: of the V videos.
        categories: of each video; ``Normal`` for normal ones.
        features: of each video, float32 (T, 1024): a row per snippet of 16 frames, centre crop.
        snippet_labels: of each test video, float32 (T,): share of abnormal frames in each snippet; empty for training videos,
            whose frames nobody labelled.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    features: tuple[np.ndarray, ...]
    snippet_labels: tuple[np.ndarray, ...]

    @property
    def labels(self) -> np.ndarray:
        """float32 (V,): 1 for abnormal videos, 0 for normal ones."""
        return np.array([category != "Normal" for category in self.categories], dtype=np.float32)

    def segments(self, number: int = 16) -> np.ndarray:
        """float32 (V, number, 1024): means of equal parts of each video (:func:`vad_lib.data.segments.segment_means`)."""
        return np.stack([segment_means(features, number) for features in self.features])


@dataclass(frozen=True, eq=False)
class LessonRun:
    """Test scores of one finished run on the test videos of the course, snippet by snippet.

    Attributes:
        method: its row in the tables: ``logistic-regression``, ``ur-dmu``, ``msf-dmu`` or ``proposed``.
        seed: of the run.
        scores: of each test video, float32 (T,) in [0, 1], at the step that validation videos chose.
        last, best_on_test: the same at the last step, and at the step that is best on the test videos.
        visual, semantic: S_c and S_a of each test video; None of methods without branches.
        alignment: of each test video, float32 (T, C), cosines with the categories; None likewise.
    """

    method: str
    seed: int
    scores: tuple[np.ndarray, ...]
    last: tuple[np.ndarray, ...]
    best_on_test: tuple[np.ndarray, ...]
    visual: tuple[np.ndarray, ...] | None
    semantic: tuple[np.ndarray, ...] | None
    alignment: tuple[np.ndarray, ...] | None


@cache
def lesson_bags(split: str) -> LessonBags:
    """Bags of one split: 21 normal videos, and three of each of seven abnormal categories.

    Args:
        split: ``train`` or ``test``.

    Raises:
        ConfigError: another split.
    """
    if split not in ("train", "test"):
        raise ConfigError(f"split: expected 'train' or 'test', got {split!r}.")
    arrays = _arrays(BAGS)
    ends = np.cumsum(arrays[f"{split}/num_snippets"])[:-1]
    features = np.split(arrays[f"{split}/features"].astype(np.float32), ends)
    labels = np.split(arrays[f"{split}/snippet_labels"], ends) if split == "test" else ()
    names, categories = (tuple(arrays[f"{split}/{name}"].tolist()) for name in ("names", "categories"))
    return LessonBags(names, categories, tuple(features), tuple(labels))


@cache
def lesson_runs(method: str) -> tuple[LessonRun, ...]:
    """Finished runs of one method, a seed each, on the test videos of :func:`lesson_bags`; trained on the whole profile ``study``.

    Args:
        method: ``logistic-regression``, ``ur-dmu``, ``msf-dmu`` or ``proposed``.

    Raises:
        ConfigError: another method.
    """
    arrays = _arrays(RUNS)
    known = sorted({name.partition("/")[0] for name in arrays if "/" in name})
    if method not in known:
        raise ConfigError(f"no runs of {method!r}{did_you_mean(method, known)}; there are: {', '.join(known)}.")
    ends = np.cumsum(arrays["num_snippets"])[:-1]

    def of_seed(name: str, seed: int) -> tuple[np.ndarray, ...] | None:
        found = arrays.get(f"{method}/{name}")
        return None if found is None else tuple(np.split(found[seed].astype(np.float32), ends))

    runs = []
    for place, seed in enumerate(arrays[f"{method}/seeds"].tolist()):
        scores, last, best = (of_seed(name, place) for name in ("score", "last", "best_on_test"))
        assert scores is not None and last is not None and best is not None  # every method has them
        runs.append(
            LessonRun(method, seed, scores, last, best, *(of_seed(name, place) for name in ("visual", "semantic", "alignment")))
        )
    return tuple(runs)


def lesson_log() -> pd.DataFrame:
    """Log of the proposed model's first run: a row per step with ``loss``, ``loss/TERM``, ``weight/TERM`` and ``monitor/NAME``."""
    return pd.read_csv(io.BytesIO((RESOURCES / LOG).read_bytes()))


@dataclass(frozen=True)
class Drawing:
    """A drawn figure; notebooks and pages made of them show it with its alternative text.

    Attributes:
        data: the SVG.
    """

    data: str

    @property
    def alternative_text(self) -> str:
        """Title and description of the drawing."""
        words = re.search(r"<title\b[^>]*>(.*?)</title>\s*<desc\b[^>]*>(.*?)</desc>", self.data, re.DOTALL)
        assert words is not None  # tests hold it for every drawing
        return html.unescape(f"{words[1]}. {words[2]}")

    def __repr__(self) -> str:
        return self.alternative_text

    def _repr_svg_(self) -> tuple[str, dict[str, str]]:
        return self.data, {"alt": self.alternative_text}

    # JupyterLab and nbconvert make an image without alternative text of an SVG, so they get one that has it.
    def _repr_html_(self) -> str:
        width = re.search(r' width="(\d+)"', self.data)
        image = base64.b64encode(self.data.encode()).decode()
        return (
            f'<img alt="{html.escape(self.alternative_text)}" width="{width[1] if width else ""}" '
            f'style="max-width:100%;height:auto" src="data:image/svg+xml;base64,{image}">'
        )


def drawing(name: str) -> Drawing:
    """A drawn figure of a lesson.

    Args:
        name: of the drawing, such as ``bags``.

    Raises:
        ConfigError: no such drawing.
    """
    known = sorted(file.name[: -len(".svg")] for file in RESOURCES.iterdir() if file.name.endswith(".svg"))
    if name not in known:
        raise ConfigError(f"no drawing {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}.")
    return Drawing((RESOURCES / f"{name}.svg").read_text(encoding="utf-8"))


@cache
def _arrays(name: str) -> dict[str, np.ndarray]:
    with as_file(RESOURCES / name) as path, of_project(path, "file of the course"):
        return read_arrays(path)

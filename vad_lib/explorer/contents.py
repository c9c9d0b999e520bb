"""What the explorer shows: a JSON file of each data set, with small videos beside it."""

from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vad_lib.errors import DataError, MissingFileError
from vad_lib.report.web_files import web_file
from vad_lib.storage.paths import EXPLORER
from vad_lib.storage.project_files import of_project
from vad_lib.storage.reading import damaged_as_data_error, read_json
from vad_lib.storage.safe_names import plain_name

_AGAIN = (
    "Get the folder again as the project has it, or make it of your own runs with "
    "`python -m vad_lib.explorer --make --profile PROFILE`."
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(_Part):
    """An abnormal event.

    Attributes:
        start: its first frame.
        end: the frame after its last one.
        category: what happens.
    """

    start: int = Field(ge=0)
    end: int
    category: str


class Video(_Part):
    """A test video.

    Attributes:
        name: as in the data set's list.
        category: which it was staged for; a normal video shows the look-alike of this category.
        abnormal: whether the event itself happens.
        frames: F, how many it has.
        events: in the order of time; none in a normal video.
    """

    name: str
    category: str
    abnormal: bool
    frames: int = Field(ge=1)
    events: tuple[Event, ...]


class Curves(_Part):
    """Scores of one video: T snippets, C categories.

    Attributes:
        score: S, what counts; (T,), in [0, 1], three decimals.
        visual: S_c, of the visual branch; (T,), or None where the method has one branch.
        semantic: S_a, of the alignment branch; as ``visual``.
        alignment: cosines of each snippet with the words of each category, (T, C), two decimals; None without a map.
    """

    score: tuple[float, ...]
    visual: tuple[float, ...] | None = None
    semantic: tuple[float, ...] | None = None
    alignment: tuple[tuple[float, ...], ...] | None = None


class SeedRun(_Part):
    """A run of a method.

    Attributes:
        seed: of the run.
        w: share of the visual branch that the run learned (equation 7), in [0, 1]; None where the method has one branch.
        videos: name -> scores.
    """

    seed: int
    w: float | None = None
    videos: dict[str, Curves]


class MethodRuns(_Part):
    """A row of the tables: its name, its title there, and its runs in the order of their seeds."""

    name: str
    title: str
    runs: tuple[SeedRun, ...] = Field(min_length=1)


class DataSet(_Part):
    """A data set of the explorer.

    Attributes:
        name: such as ``synth-crime``; also the folder of its videos, ``NAME/VIDEO.mp4``.
        title: for people.
        profile: whose runs these are.
        fps: frames per second.
        frames_per_snippet: frames that one score stands for.
        categories: C of them, the normal one first.
        videos: in the order in which they are offered.
        methods: in the order in which they are offered.
    """

    name: str
    title: str
    profile: str
    fps: float = Field(gt=0)
    frames_per_snippet: int = Field(ge=1)
    categories: tuple[str, ...] = Field(min_length=2)
    videos: tuple[Video, ...] = Field(min_length=1)
    methods: tuple[MethodRuns, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _scores_fit_videos(self) -> Self:
        if not all(plain_name(name) for name in (self.name, *(video.name for video in self.videos))):
            raise ValueError("names of the data set and of its videos are names of files: no folders in them")
        lengths = {video.name: -(-video.frames // self.frames_per_snippet) for video in self.videos}
        for method in self.methods:
            for run in method.runs:
                found = {name: _lengths(curves) for name, curves in run.videos.items()}
                if found != {name: {length} for name, length in lengths.items()}:
                    raise ValueError(f"{method.name}, seed {run.seed}: a video without scores, or with too many or too few")
        return self

    def file(self, video: str) -> str:
        """Where the file of a video lies in the folder."""
        return f"{self.name}/{video}.mp4"


def _lengths(curves: Curves) -> set[int]:
    return {len(part) for part in (curves.score, curves.visual, curves.semantic, curves.alignment) if part is not None}


def read_contents(folder: Path | str = EXPLORER) -> dict[str, DataSet]:
    """Read what a folder of the explorer holds.

    Args:
        folder: made by ``python -m vad_lib.explorer --make``.

    Returns:
        name -> data set, at least one.

    Raises:
        MissingFileError: no data set, or the file of a video is missing.
        DataError: a file is damaged.
    """
    found = {}
    for path in sorted(Path(folder).glob("*.json")):
        with of_project(path, "file of the explorer", _AGAIN):
            content = read_json(path)
        with damaged_as_data_error(path, "a data set of the explorer"):
            data = DataSet.model_validate(content)
        if data.name != path.stem:
            raise DataError(f"{path}: expected the data set {path.stem}, found {data.name}; give the file back its name.")
        found[data.name] = data
        for video in data.videos:
            if not (Path(folder) / data.file(video.name)).is_file():
                raise _missing(Path(folder) / data.file(video.name))
    if not found:
        raise _missing(Path(folder) / "DATASET.json")
    return found


def _missing(path: Path) -> MissingFileError:
    return MissingFileError(f"{path}: expected a file of the explorer, found none. {_AGAIN}")


def as_json(contents: dict[str, DataSet]) -> dict[str, dict[str, Any]]:
    """The data sets as the JavaScript takes them."""
    return {name: data.model_dump(mode="json") for name, data in contents.items()}


def start(contents: dict[str, DataSet]) -> dict[str, Any]:
    """The values that the controls have at first: the first video, and the last method, which is the paper's."""
    data = next(iter(contents.values()))
    method = data.methods[-1]
    return {
        "dataset": data.name,
        "video": data.videos[0].name,
        "method": method.name,
        "seed": method.runs[0].seed,
        "threshold": 0.5,
        "w": None,
        "smoothing": False,
        "time": 0.0,
    }


web = partial(web_file, "vad_lib.explorer")

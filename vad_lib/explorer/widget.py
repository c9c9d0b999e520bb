"""The explorer as a widget: JupyterLab, VS Code, and every other place that shows widgets."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vad_lib.errors import ConfigError, did_you_mean
from vad_lib.explorer.contents import MethodRuns, Video, as_json, read_contents, start, web
from vad_lib.storage.paths import EXPLORER


class Explorer(anywidget.AnyWidget):
    """Scored test videos in a notebook; each control is a trait that Python reads and sets.

    Another data set has other videos, and another method may have other seeds: where the present one is not among them, the
    first of them takes its place.

    Attributes:
        dataset: name of a data set in the folder.
        video: name of one of its videos.
        method: name of one of its methods.
        seed: of one of the method's runs.
        threshold: in [0, 1]; a score of at least this is an alarm.
        w: share of the visual branch in the score, in [0, 1]; None is the share that the run learned. Without effect on methods
            of one branch.
        smoothing: whether scores are centred moving averages over snippets.
        time: seconds from the start of the video; a time beyond its end becomes its end.

    Example:
        >>> explorer = Explorer(threshold=0.7)  # doctest: +SKIP
        >>> explorer.method = "ur-dmu"  # doctest: +SKIP
        >>> explorer.time  # doctest: +SKIP
        3.2
    """

    _esm = web("explorer.js")
    _css = web("explorer.css")

    data = traitlets.Dict().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    dataset = traitlets.Unicode().tag(sync=True)
    video = traitlets.Unicode().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    w = traitlets.Float(None, allow_none=True).tag(sync=True)
    smoothing = traitlets.Bool(False).tag(sync=True)
    time = traitlets.Float(0.0).tag(sync=True, echo_update=False)

    def __init__(self, folder: Path | str = EXPLORER, **chosen: Any) -> None:
        """Show what a folder holds.

        Args:
            folder: made by ``python -m vad_lib.explorer --make``; by default what comes with the project.
            chosen: values of the controls, such as ``threshold=0.7``.

        Raises:
            ConfigError: an unknown control, or a value that it cannot have; the message names those that it can have.
            MissingFileError, DataError: the folder is not complete.
        """
        self._folder, self._contents = Path(folder), read_contents(folder)
        controls = start(self._contents)
        for name in chosen:
            _one_of("control", name, controls)
        if "dataset" in chosen:
            _one_of("data set", chosen["dataset"], self._contents)
            controls |= start({chosen["dataset"]: self._contents[chosen["dataset"]]})
        controls = {**controls, "seed": self._first_seed(controls | chosen), **chosen}
        seconds = controls.pop("time")  # set last: a video that is set begins at its beginning
        super().__init__(data=as_json(self._contents), **controls)
        self._send_picture()
        self.time = seconds

    def _first_seed(self, controls: dict[str, Any]) -> int:
        methods = {method.name: method for method in self._contents[controls["dataset"]].methods}
        return methods[_one_of("method", controls["method"], methods)].runs[0].seed

    def _methods(self) -> dict[str, MethodRuns]:
        return {method.name: method for method in self._contents[self.dataset].methods}

    def _videos(self) -> dict[str, Video]:
        return {video.name: video for video in self._contents[self.dataset].videos}

    @traitlets.validate("dataset", "video", "method", "seed")
    def _check_name(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "dataset":
            return _one_of("data set", value, self._contents)
        if name == "video":
            return _one_of(f"video of {self.dataset}", value, self._videos())
        if name == "method":
            return _one_of(f"method on {self.dataset}", value, self._methods())
        return _one_of(f"seed of {self.method}", value, [run.seed for run in self._methods()[self.method].runs])

    @traitlets.validate("threshold", "w")
    def _check_share(self, proposal: Any) -> Any:
        value = proposal["value"]
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"{proposal['trait'].name}: expected a number in [0, 1], got {value}.")
        return value

    @traitlets.validate("time")
    def _within_video(self, proposal: Any) -> float:
        length = self._videos()[self.video].frames / self._contents[self.dataset].fps
        # NaN stays below nothing and above nothing; it becomes 0
        return min(proposal["value"], length) if proposal["value"] > 0 else 0.0

    @traitlets.observe("dataset")
    def _of_dataset(self, change: Any) -> None:
        if self.video not in self._videos():
            self.video = next(iter(self._videos()))
        else:
            self._of_video(change)
        if self.method not in self._methods():
            self.method = next(iter(self._methods()))
        else:
            self._of_method(change)

    @traitlets.observe("method")
    def _of_method(self, change: Any) -> None:
        seeds = [run.seed for run in self._methods()[self.method].runs]
        if self.seed not in seeds:
            self.seed = seeds[0]

    @traitlets.observe("video")
    def _of_video(self, change: Any) -> None:
        self.time = 0.0
        self._send_picture()

    def _send_picture(self) -> None:
        """Send the file itself: a page cannot read the files of the computer that runs the notebook."""
        place = f"{self.dataset}/{self.video}"
        if self.picture.get("of") != place:
            self.picture = {"of": place, "content": (self._folder / self._contents[self.dataset].file(self.video)).read_bytes()}


def _one_of(what: str, value: Any, known: Any) -> Any:
    if value not in known:
        names = [str(each) for each in known]
        raise ConfigError(f"unknown {what} {value!r}{did_you_mean(value, names)}; known: {', '.join(names)}.")
    return value

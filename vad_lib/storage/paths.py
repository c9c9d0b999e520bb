"""Where things lie: data, results, figures, the committed reference, and files that come with the library."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from vad_lib.errors import ConfigError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
RESOURCES = PROJECT_ROOT / "vad_lib" / "data" / "resources"
EXPLORER = PROJECT_ROOT / "results" / "explorer"  # videos and curves that the explorer shows
LESSONS = Path("notebooks", "course")  # in the project: the students' notebooks; sources and solutions in folders below
EXECUTED_LESSONS = Path("results", "course")  # in the project
REFERENCE = "reference"  # folder of the committed results below results/ and figures/
SMALL_REFERENCES = {"quick": "reference-quick"}  # profile -> folder of its committed runs, which are compared and not shown
READING = "from-reference"  # where notebooks write what they draw from the reference

Source = Literal["own", "reference"]


def cache_dir() -> Path:
    """Folder for downloaded weights: ``$VAD_CACHE`` if set, else the user's cache folder."""
    return Path(os.environ.get("VAD_CACHE") or platformdirs.user_cache_dir("vad_lib"))


def feature_store(dataset: Path, backbone: str = "i3d", crops: int = 0) -> Path:
    """Folder of the features that a backbone, as in ``FeatureSettings``, makes of the data set in a folder.

    ``crops`` is 0 for as many as the profile wants, else a number of its own, kept beside those.
    """
    store = dataset / "store" if backbone == "i3d" else dataset / "store" / backbone
    return store / f"{crops}-crops" if crops else store


@dataclass(frozen=True)
class Layout:
    """Where one chain reads and writes.

    What anybody runs goes to ``results/PROFILE`` and ``figures/PROFILE``, which are not tracked. The committed results
    lie in ``results/reference`` and ``figures/reference`` (small ones in ``results/reference-PROFILE``) and are only read:
    a layout whose source is the reference reads runs, lists of videos and picture strips from there, and writes what is drawn
    of them to places of its own.

    Attributes:
        profile: name of the profile (``smoke``, ``quick``, ``study``, ``paper``).
        out: folder that gets ``results/`` and ``figures/``; the project folder by default.
        data: folder of the data sets, one folder each (:meth:`dataset`).
        source: where finished runs are read from: ``own`` (``results/PROFILE``) or ``reference``.
    """

    profile: str
    out: Path
    data: Path
    source: Source = "own"

    @classmethod
    def create(
        cls, profile: str, out: str | Path | None = None, data: str | Path | None = None, source: Source = "own"
    ) -> "Layout":
        """Resolve the folders; an empty or missing ``out`` / ``data`` means the project's own.

        Built-in data sets are rendered to ``<project>/data/<profile>``: their size depends on the profile.

        Raises:
            ConfigError: ``source`` is neither ``own`` nor ``reference``; or the reference with a data folder of one's own.
        """
        if source not in ("own", "reference"):
            raise ConfigError(f"source: expected 'own' or 'reference', got {source!r}.")
        if source == "reference" and data:
            raise ConfigError(f"source 'reference' has lists of videos of its own, got data {str(data)!r} too; leave data empty.")
        out_path = Path(out).expanduser().resolve() if out else PROJECT_ROOT
        data_path = Path(data).expanduser().resolve() if data else PROJECT_ROOT / "data" / profile
        if source == "reference":
            data_path = PROJECT_ROOT / "results" / REFERENCE / "data"
        return cls(profile, out_path, data_path, source)

    @classmethod
    def reference(cls, of_profile: str = "") -> "Layout":
        """The committed results as a layout; written by the maintainer's command only.

        Args:
            of_profile: the results that one's own in this profile are compared with: a smaller reference where the profile has
                one (:data:`SMALL_REFERENCES`). Without it, and for every other profile, what notebooks and pages show.
        """
        name = SMALL_REFERENCES.get(of_profile, REFERENCE)
        return cls(name, PROJECT_ROOT, PROJECT_ROOT / "results" / name / "data", "reference")

    def beside(self, profile: str) -> "Layout":
        """Folders of another profile that share nothing with this one's, wherever this one's are."""
        own_data = self.source == "own" and self.data != Layout.create(self.profile).data
        return Layout.create(profile, self.out, self.data / profile if own_data else None)

    # --- data -------------------------------------------------------------------------------------
    def dataset(self, dataset: str) -> Path:
        """Folder of a data set: ``dataset.json``, ``videos.csv``, ``videos/`` or ``features/``, ``store/``."""
        return self.data / dataset

    def videos(self, dataset: str) -> Path:
        return self.dataset(dataset) / "videos"

    def features(self, dataset: str, backbone: str = "i3d", crops: int = 0) -> Path:
        """The feature store, with those of other backbones and numbers of crops in it.

        ``features/`` beside it holds a user's own feature files.
        """
        return feature_store(self.dataset(dataset), backbone, crops)

    # --- results: read ----------------------------------------------------------------------------
    @property
    def read_from(self) -> Path:
        """Folder of finished runs, strips and controls: one's own, or the reference."""
        if self.source == "own":
            return self.results
        return PROJECT_ROOT / "results" / (self.profile if self._is_committed else REFERENCE)

    def strips(self, dataset: str) -> Path:
        """Frames of the videos of figures 3 and 4, so that the figures can be redrawn without the videos."""
        return self.read_from / "strips" / f"{dataset}.npz"

    def controls(self, dataset: str) -> Path:
        """What can be guessed of a data set's labels without watching (notebook 01)."""
        return self.read_from / "controls" / f"{dataset}.json"

    def packed_runs(self, dataset: str) -> Path:
        """Runs of the reference on a data set, packed; without its endings (``.json`` and ``.npz``)."""
        return self.read_from / "runs" / dataset

    # --- results: written -------------------------------------------------------------------------
    @property
    def results(self) -> Path:
        return self.out / "results" / self._written

    @property
    def figures(self) -> Path:
        return self.out / "figures" / self._written

    @property
    def _written(self) -> str:
        return READING if self.source == "reference" and not self._is_committed else self.profile

    @property
    def _is_committed(self) -> bool:
        return self.profile in (REFERENCE, *SMALL_REFERENCES.values())

    def run(self, dataset: str, variant: str, seed: int) -> Path:
        """Run folder of one table row and seed."""
        return self.results / "runs" / dataset / variant / f"seed{seed}"

    @property
    def tables(self) -> Path:
        return self.results / "tables"

    @property
    def executed(self) -> Path:
        return self.results / "executed"

    @property
    def reproduction(self) -> Path:
        """Folder of the report that sets one's own numbers beside the reference."""
        return self.results / "reproduction"

    @property
    def state(self) -> Path:
        """What the runner remembers between calls."""
        return self.results / ".state"

    # --- fixed files ------------------------------------------------------------------------------
    @property
    def reported(self) -> Path:
        """Numbers of the paper and of the methods' authors, each with its source."""
        return PROJECT_ROOT / "results" / "reported.csv"

    @property
    def benchmarks(self) -> Path:
        """Measured costs, written by the scripts in ``benchmarks``."""
        return PROJECT_ROOT / "results" / "benchmarks"

    @property
    def equations(self) -> Path:
        """The page that maps equations to functions, tests and notebooks."""
        return PROJECT_ROOT / "results" / "equations.md"

    @property
    def readme(self) -> Path:
        return PROJECT_ROOT / "README.md"

    @property
    def notebooks(self) -> Path:
        return PROJECT_ROOT / "notebooks"

    @property
    def manifest(self) -> Path:
        return self.notebooks / "manifest.yml"


def text_feature_cache() -> Path:
    """Folder of cached CLIP text features, by content hash."""
    return cache_dir() / "text_features"


def i3d_weights() -> Path:
    """The converted Kinetics-400 weights."""
    return cache_dir() / "i3d_rgb_kinetics400.safetensors"


def sentence_features() -> Path:
    """The shipped sentence features of the built-in prompts."""
    return RESOURCES / "sentence_features.safetensors"


def clip_class_names() -> Path:
    """The shipped CLIP features of the class names of UCF-Crime and XD-Violence."""
    return RESOURCES / "clip_class_names.safetensors"


def prompt_file() -> Path:
    """Templates and category names, as data that a user can edit."""
    return RESOURCES / "prompts.yml"

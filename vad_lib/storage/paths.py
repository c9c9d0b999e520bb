"""The only place that builds a path. Nothing else in the library or the notebooks joins folder names."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PACKAGE_DATA = Path(__file__).resolve().parents[1] / "data" / "resources"


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

    Attributes:
        profile: name of the profile (``smoke``, ``quick``, ``standard``, ``paper``).
        out: folder that gets ``results/`` and ``figures/``; the project folder by default.
        data: folder of the data sets, one folder each (:meth:`dataset`).
    """

    profile: str
    out: Path
    data: Path

    @classmethod
    def create(cls, profile: str, out: str | Path | None = None, data: str | Path | None = None) -> "Layout":
        """Resolve the folders; an empty or missing ``out`` / ``data`` means the project's own.

        Built-in data sets are rendered to ``<project>/data/<profile>``: their size depends on the profile.
        """
        out_path = Path(out).expanduser().resolve() if out else PROJECT_ROOT
        data_path = Path(data).expanduser().resolve() if data else PROJECT_ROOT / "data" / profile
        return cls(profile, out_path, data_path)

    def beside(self, profile: str) -> "Layout":
        """Folders of another profile that share nothing with this one's, wherever this one's are."""
        own_data = self.data != Layout.create(self.profile).data
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

    # --- results ----------------------------------------------------------------------------------
    @property
    def results(self) -> Path:
        return self.out / "results" / self.profile

    def run(self, dataset: str, variant: str, seed: int) -> Path:
        """Run folder of one variant and seed: config, metrics, log, scores, weights."""
        return self.results / "runs" / dataset / variant / f"seed{seed}"

    @property
    def tables(self) -> Path:
        return self.results / "tables"

    def strips(self, dataset: str) -> Path:
        """Frames of the videos of figures 3 and 4, so that the figures can be redrawn without the videos."""
        return self.results / "strips" / f"{dataset}.npz"

    def controls(self, dataset: str) -> Path:
        """What can be guessed of a data set's labels without watching (notebook 01)."""
        return self.results / "controls" / f"{dataset}.json"

    @property
    def executed(self) -> Path:
        return self.results / "executed"

    @property
    def state(self) -> Path:
        """What the runner remembers between calls (not committed)."""
        return self.results / ".state"

    @property
    def figures(self) -> Path:
        return self.out / "figures" / self.profile

    # --- fixed files ------------------------------------------------------------------------------
    @property
    def reported(self) -> Path:
        """Numbers of the paper and of the methods' authors, each with its source."""
        return PROJECT_ROOT / "results" / "reported.csv"

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
    return PACKAGE_DATA / "sentence_features.safetensors"


def prompt_file() -> Path:
    """Templates and category names, as data that a user can edit."""
    return PACKAGE_DATA / "prompts.yml"

"""What the notebooks' parameters may be: type, range, default and meaning, declared here and nowhere else.

Papermill passes on whatever it is given, and a notebook notices a wrong value only where it uses it, which may be after an hour
of extraction. Here a value is checked before a kernel starts. The first cell of a notebook holds the same names and defaults.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from vad_lib import registry
from vad_lib.config import PROFILES, get_profile
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.errors import did_you_mean
from vad_lib.runs.experiments import VARIANTS
from vad_lib.storage.safe_names import plain_name

# Keys of vad_lib.open_questions.questions.QUESTIONS, a room above this one; a test compares both.
QUESTIONS = (
    *("lambda-align", "lambda-cls", "lambda-con", "loss-weights", "alpha", "ratio", "top-k", "temperature", "templates"),
    *("equation-5", "modulation", "gate", "text", "dilations", "context", "crops", "features", "zero-shot"),
    *("few-videos", "remedies"),
)
MOST_SEEDS = 1000
LARGEST_SEED = 2**31 - 1
WITH_GATE = tuple(name for name, variant in VARIANTS.items() if variant.method == "proposed")


@dataclass(frozen=True)
class OneOf:
    """A text that must be one of some names; the message for another one says which of them is nearest."""

    what: str
    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"enum": list(self.names)}

    def _checked(self, name: str) -> str:
        if name not in self.names:
            raise ValueError(f"no {self.what} {name!r}{did_you_mean(name, self.names)}; known: {', '.join(self.names)}")
        return name


def _folder_name(name: str) -> str:
    if not plain_name(name):
        raise ValueError(f"expected the name of a folder below --data, got {name!r}; give the folder above it as --data")
    return name


def _device(name: str) -> str:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise ValueError(f"expected a device that torch can use here, got {name!r} ({reason}); leave it out for cpu") from None
    return name


def _existing(name: str, kind: Literal["file", "folder"]) -> str:
    """The whole path: a notebook runs in another folder than the command."""
    path = Path(name).expanduser()
    if name and not (path.is_file() if kind == "file" else path.is_dir()):
        raise ValueError(f"expected a {kind}, found none at {path.absolute()}; correct the path")
    return str(path.resolve()) if name else ""


def _import_options(options: dict[str, Any]) -> dict[str, Any]:
    if "dataset" in options:
        raise ValueError("dataset is named by --dataset; leave it out of importing")
    frames = ImportSettings(dataset="any", **options).frames
    return options | ({"frames": _existing(frames, "file")} if frames else {})


# --- types that several notebooks share -------------------------------------------------------------------
ProfileName = Annotated[str, OneOf("profile", tuple(PROFILES)), Field(description="sizes of data, networks and training")]
DatasetName = Annotated[str, AfterValidator(_folder_name), Field(description="folder name of a data set")]
DatasetNames = Annotated[list[DatasetName], Field(min_length=1, description="folder names of data sets")]
Source = Annotated[
    Literal["reference", "own"], Field(description="whose results are read: the committed ones, or one's own, trained if missing")
]
Folder = Annotated[str, Field(description="a folder; empty for the project's own")]
Device = Annotated[
    str,
    Field(pattern=r"^(cpu|mps|(cuda|xpu)(:\d+)?)$", description="of torch: cpu, or cuda where there is one"),
    AfterValidator(_device),
]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED, description="the first seed; others count up from it")]
Seeds = Annotated[int, Field(ge=0, le=MOST_SEEDS, description="seeds per row; 0 takes the profile's number")]
TextSource = Annotated[
    Literal["", "clip", "sentence", "random", "file"], Field(description="of the text features; empty takes the profile's")
]
TextFile = Annotated[
    str,
    AfterValidator(partial(_existing, kind="file")),
    Field(description="path; with clip, of CLIP weights; with file, of a .npy of shape (categories, width)"),
]
Recipe = Annotated[
    Literal["", "common", "published"],
    Field(description="training settings of the compared methods: common, or their authors'; empty takes the profile's"),
]


class NotebookParameters(BaseModel):
    """Base of all: no unknown names, no conversion (a text is no number, true is no 1), no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class _WithText(NotebookParameters):
    """Parameters with a choice of text features."""

    @model_validator(mode="after")
    def _file_and_source_agree(self) -> Self:
        chosen, path = getattr(self, "text_source", ""), getattr(self, "text_file", "")
        kind = chosen or get_profile(getattr(self, "profile", "")).text_features
        if path and kind not in ("clip", "file"):
            raise ValueError(f"text_file: text features {kind!r} read no file; add text_source=clip or text_source=file")
        if kind == "file" and not path:
            raise ValueError("text_source: 'file' needs the path of a .npy; add text_file=PATH")
        return self


# --- the notebooks ------------------------------------------------------------------------------------------
class StartHere(NotebookParameters):
    """00_start_here."""

    profile: ProfileName = "smoke"
    datasets: DatasetNames = Field(["synth-crime"])
    out: Folder = ""
    data: Folder = ""
    device: Device = "cpu"
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED, description="of the training run")] = 1
    steps: Annotated[int, Field(ge=1, le=100_000, description="training steps in part 2")] = 60
    gate: Annotated[float, Field(ge=-50, le=50, description="g of equation 6; 0 weighs both branches alike")] = 0.0
    tau: Annotated[float, Field(ge=0.01, le=100, description="temperature of equation 5; smaller is sharper")] = 0.07
    divisor: Annotated[int, Field(ge=2, le=1000, description="k is T / divisor rounded down, plus 1; the paper has 16")] = 4


class FeaturePrep(NotebookParameters):
    """01_feature_prep."""

    profile: ProfileName = "quick"
    dataset: DatasetName = "synth-crime"
    device: Device = "cpu"
    importing: Annotated[
        dict[str, Any],
        AfterValidator(_import_options),
        Field(description="how a folder of your own is read: options of vad_lib.data.importing, such as {dimension: 2048}"),
    ] = Field({})
    out: Folder = ""
    data: Folder = ""


class Training(_WithText):
    """02_training."""

    profile: ProfileName = "quick"
    dataset: DatasetName = "synth-crime"
    source: Source = "reference"
    variants: Annotated[
        list[Annotated[str, OneOf("table row", ("all", *VARIANTS))]],
        Field(min_length=1, description="rows to train; all takes those of Tables 2 and 3, the control among them"),
    ] = Field(["all"])
    seeds: Seeds = 0
    first_seed: Seed = 2022
    text_source: TextSource = ""
    text_file: TextFile = ""
    recipe: Recipe = ""
    device: Device = "cpu"
    out: Folder = ""
    data: Folder = ""

    @model_validator(mode="after")
    def _rows_that_can_be_shown(self) -> Self:
        if "all" in self.variants and self.variants != ["all"]:
            raise ValueError("variants: 'all' stands alone; leave the other rows out, or 'all'")
        if self.variants != ["all"] and not {*self.variants} & {*registry.ON_BAGS}:
            rows = ", ".join(registry.ON_BAGS)
            raise ValueError(f"variants: the notebook shows the training of one row of {rows}; add one of them")
        return self


class Ablation(_WithText):
    """03_ablation."""

    profile: ProfileName = "quick"
    dataset: DatasetName = "synth-crime"
    source: Source = "reference"
    seeds: Seeds = 0
    first_seed: Seed = 2022
    text_source: TextSource = ""
    text_file: TextFile = ""
    device: Device = "cpu"
    out: Folder = ""
    data: Folder = ""


class Visualisation(NotebookParameters):
    """04_visualisation."""

    profile: ProfileName = "quick"
    datasets: DatasetNames = Field(["synth-crime", "synth-violence"])
    source: Source = "reference"
    first_seed: Seed = 2022
    variant: Annotated[
        str, OneOf("row with a gate and an alignment map", WITH_GATE), Field(description="the run that the figures show")
    ] = "proposed"
    out: Folder = ""
    data: Folder = ""


class FinishedRuns(NotebookParameters):
    """05_methods_side_by_side and 10_how_sure_are_the_numbers, which read runs and train none."""

    profile: ProfileName = "quick"
    datasets: DatasetNames = Field(["synth-crime", "synth-violence"])
    source: Source = "reference"
    first_seed: Seed = 2022
    out: Folder = ""
    data: Folder = ""


class BeyondThePaper(_WithText):
    """06_beyond_the_paper."""

    profile: ProfileName = "quick"
    datasets: DatasetNames = Field(["synth-crime", "synth-violence"])
    source: Source = "reference"
    train: Annotated[bool, Field(description="true trains the missing runs of the grid; false reads what is there")] = False
    questions: Annotated[
        list[Annotated[str, OneOf("question", ("all", *QUESTIONS))]], Field(min_length=1, description="of the grid, or all")
    ] = Field(["all"])
    first_seed: Seed = 2022
    num_seeds: Annotated[
        int, Field(ge=0, le=MOST_SEEDS, description="with train: seeds per row and answer; 0 takes the numbers of the profile")
    ] = 0
    jobs: Annotated[int, Field(ge=0, le=1024, description="with train: runs at a time; 0 for one per core")] = 0
    text_source: TextSource = ""
    text_file: TextFile = ""
    recipe: Recipe = ""
    device: Device = "cpu"
    out: Folder = ""
    data: Folder = ""

    @model_validator(mode="after")
    def _trains_own_results_only(self) -> Self:
        if self.train and self.source == "reference":
            raise ValueError("train: the committed results are only read; leave out --reference, or train")
        return self


class RealFootage(NotebookParameters):
    """07_real_footage."""

    profile: ProfileName = "quick"
    datasets: DatasetNames = Field(["synth-crime", "synth-violence"])
    source: Source = "reference"
    real_data: Annotated[
        str,
        AfterValidator(partial(_existing, kind="folder")),
        Field(
            description="folder with fight_bags, pets2009 or ped2 in it, whose missing runs are trained; empty shows the "
            "committed numbers"
        ),
    ] = ""
    real_rows: Annotated[
        list[Annotated[str, OneOf("table row", ("all", *VARIANTS))]],
        Field(min_length=1, description="with real_data: rows to train"),
    ] = Field(["all"])
    real_seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS, description="with real_data: seeds per row")] = 10
    metric: Annotated[Literal["auc", "ap"], Field(description="of the figure and its reading; the table has both")] = "auc"
    out: Folder = ""
    data: Folder = ""


class WhenTrainingFails(_WithText):
    """08_when_training_fails."""

    profile: ProfileName = "quick"
    dataset: DatasetName = "synth-crime"
    source: Source = "reference"
    seeds: Seeds = 0
    first_seed: Seed = 2022
    text_source: TextSource = ""
    text_file: TextFile = ""
    device: Device = "cpu"
    out: Folder = ""
    data: Folder = ""


class NumberDifferent(NotebookParameters):
    """09_why_is_my_number_different."""

    profile: ProfileName = "quick"
    datasets: DatasetNames = Field(["synth-crime", "synth-violence"])
    source: Source = "reference"
    variant: Annotated[str, OneOf("table row", tuple(VARIANTS)), Field(description="row whose scores are the example")] = "proposed"
    scores: Annotated[str, Field(description="path of your scores; empty takes the example")] = ""
    truth: Annotated[list[str], Field(description="paths of your ground truth: annotation files, videos.csv, .npy of labels")] = (
        Field([])
    )
    claimed: Annotated[str, Field(description="the number to explain, as it is written")] = ""
    out: Folder = ""
    data: Folder = ""


OF_NOTEBOOK: dict[str, type[NotebookParameters]] = {
    "00_start_here": StartHere,
    "01_feature_prep": FeaturePrep,
    "02_training": Training,
    "03_ablation": Ablation,
    "08_when_training_fails": WhenTrainingFails,
    "06_beyond_the_paper": BeyondThePaper,
    "04_visualisation": Visualisation,
    "05_methods_side_by_side": FinishedRuns,
    "10_how_sure_are_the_numbers": FinishedRuns,
    "07_real_footage": RealFootage,
    "09_why_is_my_number_different": NumberDifferent,
}

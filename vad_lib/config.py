"""Frozen, validated settings, and the profiles that bundle them.

An unknown name or a value outside its range is a :class:`~vad_lib.errors.ConfigError`. A method's own
settings (widths, loss weights) stand in that method's file and derive from :class:`Settings` too.
"""

from reprlib import Repr
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from vad_lib.errors import ConfigError, did_you_mean

FRAMES_PER_SNIPPET = 16  # paper, section 3.1
CLIP_PIXELS = 224  # of the square that CLIP's ViT-B takes; other sizes do not fit its position embedding


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors that name the setting."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}, got {_shortly(item['input'])}"
                for item in error.errors()
            )
            known = ", ".join(type(self).model_fields)
            raise ConfigError(f"{type(self).__name__}: {problems}. Known settings: {known}.") from None

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some settings changed; unknown names are errors."""
        return type(self)(**{**dict(self), **changes})


def _shortly(value: Any) -> str:
    """What came, for messages, even if it is huge or contains itself."""
    shortened = Repr()
    shortened.maxlevel, shortened.maxstring, shortened.maxother = 4, 200, 200
    return shortened.repr(value)


class FeatureSettings(Settings):
    """Video to features (paper, section 3.1). CLIP's image features are those of VadCLIP and CLIP-TSA, see ``clip_image``."""

    backbone: Literal["i3d", "clip-vit-b-16", "clip-vit-b-32"] = "i3d"
    clip_frames: Literal["middle", "mean"] = Field(
        "middle", description="CLIP only: feature of a snippet's middle frame, or mean of the features of its 16 frames"
    )
    short_side: int = Field(256, ge=32, description="pixels of the shorter side after resizing, aspect kept")
    crop_size: int = Field(224, ge=32, description="pixels of a square crop")
    num_crops: Literal[1, 5, 10] = Field(10, description="1: centre; 5: and four corners; 10: and their mirror images")
    batch_size: int = Field(4, ge=1, description="views, one crop of a snippet each, per forward")
    dtype: Literal["float16", "float32"] = "float16"
    weights: str = Field(
        "",
        description="kinetics400 (I3D) or openai (CLIP), chosen where it is empty; random (said so in every table); or the path of "
        "a checkpoint, of pytorch-i3d or of CLIP",
    )
    engine: Literal["torch", "openvino-bf16"] = Field(
        "torch", description="I3D only: PyTorch in float32, or OpenVINO in bf16 on a processor that has it (extra openvino)"
    )

    @field_validator("clip_frames")
    @classmethod
    def _only_of_clip(cls, value: str, info: ValidationInfo) -> str:
        if value != "middle" and info.data.get("backbone") == "i3d":
            raise ValueError("I3D sees all frames of a snippet; leave it out, or choose a CLIP backbone")
        return value

    @field_validator("weights")
    @classmethod
    def _of_this_backbone(cls, value: str, info: ValidationInfo) -> str:
        backbone = info.data.get("backbone", "")
        own, others = ("kinetics400", "openai") if backbone == "i3d" else ("openai", "kinetics400")
        if value == others and backbone:
            raise ValueError(f"these are another backbone's; {backbone} has {own!r}, 'random' or the path of a checkpoint")
        return value or own

    @field_validator("engine")
    @classmethod
    def _only_of_i3d(cls, value: str, info: ValidationInfo) -> str:
        if value != "torch" and info.data.get("backbone", "i3d") != "i3d":
            raise ValueError("CLIP runs on torch; leave it out, or choose the backbone i3d")
        return value

    def for_backbone(self, backbone: str, clip_frames: str = "middle", weights: str = "") -> Self:
        """These settings for a backbone; CLIP's crops have 224 pixels, with as much of the frame around them as here.

        A forward sees as many frames as before, so of ``middle`` frames it takes 16 times as many views.

        Example: the paper profile keeps its 256 and 224 pixels; I3D's smaller sizes grow in proportion.
            >>> small = FeatureSettings(short_side=128, crop_size=112).for_backbone("clip-vit-b-16")
            >>> small.short_side, small.crop_size, small.weights
            (256, 224, 'openai')
        """
        if backbone == self.backbone:
            return self.replace(clip_frames=clip_frames, weights=weights or self.weights)
        changes: dict[str, Any] = {"backbone": backbone, "clip_frames": clip_frames, "weights": weights, "engine": "torch"}
        if backbone != "i3d":
            changes |= {"short_side": round(self.short_side * CLIP_PIXELS / self.crop_size), "crop_size": CLIP_PIXELS}
            changes["batch_size"] = self.batch_size * (FRAMES_PER_SNIPPET if clip_frames == "middle" else 1)
        return self.replace(**changes)


class SyntheticSettings(Settings):
    """Size of a rendered video set."""

    train_per_category: int = Field(8, ge=1, description="training videos of each abnormal category")
    test_per_category: int = Field(4, ge=1, description="test videos of each abnormal category")
    normal_ratio: float = Field(1.0, gt=0, description="normal videos per abnormal video, in both splits")
    train_snippets: tuple[int, int] = Field((12, 20), description="shortest and longest training video, snippets")
    test_snippets: tuple[int, int] = Field((14, 22), description="shortest and longest test video, snippets")
    height: int = Field(144, ge=64, description="pixels")
    width: int = Field(192, ge=64, description="pixels")
    fps: float = Field(25.0, gt=0)
    seed: int = Field(7, ge=0)

    @field_validator("train_snippets", "test_snippets")
    @classmethod
    def _shortest_first(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError("expected 1 <= shortest <= longest; exchange them")
        return value


class TrainSettings(Settings):
    """One training run (paper, section 3.1; reading of it in ``results/deviations.md``)."""

    lr: float = Field(2e-4, gt=0)
    batch_size: int = Field(32, ge=1, description="videos of one side: as many normal and as many abnormal ones per step")
    steps: int = Field(3000, ge=1)
    eval_every: int = Field(50, ge=1, description="steps between evaluations")
    num_segments: int = Field(200, ge=1)
    segmenting: Literal["means", "means_or_pad", "picks_or_pad"] = Field(
        "means",
        description="training videos to segments: means of equal parts; the same, but shorter videos keep their snippets; or "
        "evenly spaced snippets",
    )
    crops: Literal["apart", "together"] = Field(
        "apart", description="each crop of a video is a sample of its own, or all are in one sample"
    )
    optimiser: Literal["adam", "adamw", "adagrad", "sgd"] = "adam"
    schedule: Literal["plateau", "constant", "cosine", "milestones"] = Field(
        "plateau",
        description="of the learning rate: lowered when the validation AUC stalls; constant; half a cosine to zero; or a tenth "
        "after each milestone",
    )
    # The defaults of these three are left out of a run's record: runs without them were made with the same settings.
    categories: Literal["all", "first"] = Field(
        "all",
        exclude_if=lambda value: value == "all",
        description="a training video of several categories has all of them in equal parts, or only the one that is listed first",
    )
    horizon: float = Field(
        1.0, ge=1, exclude_if=lambda value: value == 1.0, description="cosine: where it reaches zero, as a multiple of all steps"
    )
    milestones: tuple[float, ...] = Field(
        (0.4, 0.8), exclude_if=lambda value: value == (0.4, 0.8), description="shares of all steps"
    )
    weight_decay: float = Field(5e-5, ge=0)
    warmup: int = Field(0, ge=0, description="steps over which the learning rate rises to its first value")
    late_warmup: int = Field(0, ge=0, description="steps over which terms that a method calls late rise to their weights")
    clip_norm: float = Field(0.0, ge=0, description="gradients of a greater norm, over all weights, are scaled down to it; 0: none")
    averaging: float = Field(
        0.0, ge=0, lt=1, description="weights that are scored are a running mean over steps with this decay; 0: the present ones"
    )
    scalar_rate: float = Field(
        1.0, gt=0, description="learning rate of the scalars that a method names (the gate g, the temperature tau), times lr"
    )
    feature_dropout: float = Field(0.0, ge=0, lt=1, description="share of a training video's feature channels set to 0 in a step")
    log_gradients: bool = Field(False, description="at each evaluation log the gradient norm of every term of the loss")
    validation_fraction: float = Field(0.2, gt=0, lt=1, description="of the training videos, stratified by category")
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=0, description="evaluations")
    checkpoint_every: int = Field(100, ge=1, description="steps")
    selection: Literal["last", "best_on_validation", "best_on_test"] = Field(
        "best_on_validation", description="of the step whose scores fill tables and figures; all three are reported"
    )
    choose_by: Literal["auc", "bce"] = Field(
        "auc", description="what best on validation means: the AUC of its videos, or their cross-entropy"
    )
    choose_after: float = Field(
        0.0, ge=0, le=1, description="share of the steps before which none is chosen: few validation videos call an early one best"
    )
    permute_labels: bool = Field(False, description="control: training labels shuffled over the videos")
    seed: int = Field(2022, ge=0)
    device: str = "cpu"
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="of the forward pass in training; weights, losses and all scoring stay float32"
    )
    compile: bool = Field(False, description="torch.compile of the forward pass in training; needs a compiler")
    fast_cpu: bool = Field(
        True, description="on a CPU, swap modules for fast forms of the same weights (vad_lib.methods.fast_cpu); off: plain modules"
    )


class Profile(Settings):
    """Everything that a profile decides."""

    name: str
    features: FeatureSettings
    crops_of: dict[str, int] = Field({}, description="features.num_crops where a data set stands for one of these public ones")
    synthetic: SyntheticSettings
    train: TrainSettings
    rates: dict[str, float] = Field(
        {}, description="learning rate of single methods, in place of train.lr; found by scripts/search_settings.py"
    )
    width: int = Field(512, ge=16, description="encoder width of UR-DMU, MSF-DMU and the proposed model")
    seeds: int = Field(1, ge=1, description="number of seeds per row, counted from train.seed")
    row_seeds: dict[str, int] = Field({}, description="number of seeds of single rows, in place of seeds")
    answer_seeds: int = Field(5, ge=1, description="number of seeds per answer to an open question")
    question_seeds: dict[str, int] = Field({}, description="the same of single questions, if it is more")
    costly_questions: tuple[str, ...] = Field((), description="open questions that notebook 06 leaves out unless they are named")
    recipe: Literal["common", "published"] = Field(
        "common", description="training settings of the compared methods: those of this profile, or those of their authors' code"
    )
    text_features: Literal["clip", "sentence", "random", "file"] = "clip"
    text_file: str = Field(
        "", description="with text_features='clip': path of the CLIP weights; with 'file': a .npy of shape (categories, width)"
    )

    def features_of(self, counterpart: str) -> FeatureSettings:
        """How features are made for a data set that stands for this public one; empty for a set of one's own."""
        return self.features.replace(num_crops=self.crops_of.get(counterpart, self.features.num_crops))


# Of results/rate_search.csv: where another rate than 5e-4 has a validation AUC that is more than 0.01 higher.
RATES = {"rtfm": 2e-3}

# what the built-in profiles add to the paper's training; see results/deviations.md
TRAINING: dict[str, Any] = {
    "averaging": 0.95,
    "scalar_rate": 20,
    "choose_after": 0.75,
    "clip_norm": 1.0,
    "feature_dropout": 0.2,
}

# rows of the tables whose seeds are compared one by one
MAIN_ROWS = ("logistic-regression", "ur-dmu", "msf-dmu", "proposed")

PROFILES: dict[str, Profile] = {
    # seconds: every notebook runs, numbers mean nothing
    "smoke": Profile(
        name="smoke",
        features=FeatureSettings(short_side=64, crop_size=64, num_crops=1),
        synthetic=SyntheticSettings(train_per_category=2, test_per_category=1, train_snippets=(3, 5), test_snippets=(5, 7)),
        train=TrainSettings(steps=12, eval_every=4, batch_size=4, num_segments=8, validation_fraction=0.4, lr=1e-3),
        width=32,
        text_features="sentence",
    ),
    # minutes on two cores: what `make reproduce` runs
    "quick": Profile(
        name="quick",
        features=FeatureSettings(short_side=110, crop_size=96, num_crops=1),
        synthetic=SyntheticSettings(train_per_category=6, test_per_category=3),
        train=TrainSettings(
            steps=120, warmup=20, late_warmup=40, eval_every=15, batch_size=16, num_segments=16, lr=5e-4, **TRAINING
        ),
        rates=RATES,
        width=128,
        row_seeds={**dict.fromkeys(MAIN_ROWS, 5), "proposed-permuted": 2},
        text_features="sentence",
    ),
    # hours on two cores, in pieces: what the README's findings rest on
    "study": Profile(
        name="study",
        features=FeatureSettings(short_side=110, crop_size=96, num_crops=1),
        synthetic=SyntheticSettings(train_per_category=36, test_per_category=24),
        train=TrainSettings(
            steps=360, warmup=60, late_warmup=120, eval_every=30, batch_size=16, num_segments=16, lr=5e-4, **TRAINING
        ),
        rates=RATES,
        width=128,
        seeds=5,
        row_seeds={
            **dict.fromkeys((*MAIN_ROWS, "pcl", "pcl-dbagf", "fine", "fine-align"), 15),
            **dict.fromkeys(("msf-dmu-at-once", "msf-dmu-rising"), 10),
            "fusion-gan": 1,  # minutes a run
        },
        question_seeds={"text": 15, "gate": 10},  # with five seeds their intervals say little
        costly_questions=("crops",),  # ten crops of all videos: four hours
        text_features="sentence",
    ),
    # the paper's settings, for the real data sets
    "paper": Profile(
        name="paper",
        features=FeatureSettings(),
        crops_of={"XD-Violence": 5},
        synthetic=SyntheticSettings(
            train_per_category=100, test_per_category=20, train_snippets=(100, 400), test_snippets=(100, 600), height=256, width=340
        ),
        train=TrainSettings(),
        row_seeds={"proposed-permuted": 5},
        recipe="published",
    ),
}


def get_profile(name: str) -> Profile:
    """Look up a profile.

    Raises:
        ConfigError: unknown name; the message lists the known ones.
    """
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}{did_you_mean(name, PROFILES)}; known: {', '.join(PROFILES)}.")
    return PROFILES[name]


# How the step is chosen whose weights are measured; every run reports all three.
SELECTIONS = ("last", "best_on_validation", "best_on_test")


class RunSettings(Settings):
    """What defines a run, apart from the data.

    Attributes:
        variant: name of the row, and of the run folder.
        method: key of :data:`vad_lib.registry.METHODS`.
        title: the row's name in tables.
        options: settings of the method that differ from its defaults.
        width: encoder width.
        profile: name of the profile it came from.
        declared: names of the training settings that the method's file asks for, beside those of the profile.
        train: training settings; ``train.seed`` is the run's seed.
    """

    variant: str
    method: str
    title: str
    options: dict[str, Any] = Field(default_factory=dict)
    width: int = 512
    profile: str = ""
    declared: tuple[str, ...] = ()
    train: TrainSettings

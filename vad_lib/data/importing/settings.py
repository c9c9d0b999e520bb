"""What a person may say about a folder to import."""

from typing import Literal

from pydantic import Field

from vad_lib.config import Settings
from vad_lib.data.annotations import MaskRule, Split
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.importing.layouts import FeatureLayout
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.data.video_files import VIDEO_SUFFIXES

# The mask rule that belongs to the public features of a layout. On XD-Violence RTFM's followers use features of mask rule A.
LAYOUT_MASK_RULES: dict[FeatureLayout, MaskRule] = {"crop-files": "A", "t-n-d": "B", "n-t-d": "B", "single": "C"}

READ_ENDINGS = (".npy", ".txt", ".list", *VIDEO_SUFFIXES)  # of the files that an import may read

SPLIT_NAMES: dict[Split, str] = {"test": "test", "train": "training"}


_NAMES = f"a public set ({', '.join(PUBLIC_SETS)}), or a name of one's own"


class ImportSettings(Settings):
    """How a folder is to be read; what is left empty is found out or has the stated default."""

    dataset: str = Field(min_length=1, pattern=r"^[^/\\]+$", description=_NAMES)
    layout: FeatureLayout | None = Field(None, description="of the feature files; found out by names and shapes")
    rule: MaskRule | None = Field(None, description="how intervals become frame masks; for the public sets by layout, else frames")
    frames: str = Field("", description="CSV with video,n_frames: raw frame counts")
    partial: bool = Field(False, description="accept missing, broken and too few videos, and say so in every table")
    align: Literal["none", "cut", "pad", "both"] = Field(
        "none",
        description="features a snippet longer or shorter than their video: cut the last one, repeat it, or both",
    )
    dimension: int = Field(FEATURE_DIM, ge=1, description="width that the features must have")
    crops: tuple[str, ...] = Field((), description="names of the crops in stored order; the field's usual order")
    dtype: Literal["float16", "float32"] = Field("float16", description="of the store")
    title: str = Field("", description="name in tables, own sets only")
    metric: Literal["auc", "ap"] | None = Field(None, description="headline metric, own sets only; auc")
    fps: float | None = Field(None, gt=0, description="frames per second, own sets only; 30")
    categories: tuple[str, ...] = Field((), description="the normal one first, own sets only; from videos.csv")

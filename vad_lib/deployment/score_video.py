"""Score a video of one's own with a trained run: pixels in, scores, a curve and an annotated video out.

    python -m vad_lib.deployment.score_video VIDEO --run results/quick/runs/synth-violence/proposed/seed2022 --out DIR

The video's features are extracted as those were that the run was trained on (its feature contract), into ``DIR/store``;
another run with the same contract finds them there. ``DIR`` then gets ``scores.csv``, a row per frame; ``curve.png``, the
score over time with frames of the video; and ``annotated.mp4``, the video with its score.

A model knows the footage that it was trained on. On other footage its scores still order the moments of a video, but do
not expect 0.5 to separate normal from abnormal.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings
from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.backbones.clip_image import BACKBONES as CLIP_BACKBONES
from vad_lib.data.backbones.i3d import FEATURE_DIM
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.extraction_workers import load_backbone
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.data.video import VideoInfo, VideoWarning, probe, read_frames
from vad_lib.data.video_writing import write_video
from vad_lib.errors import ConfigError, DataError, command_line
from vad_lib.evaluation.scoring import frame_scores, snippet_scores
from vad_lib.report.figures import style
from vad_lib.report.figures.run_scores import VideoScores
from vad_lib.report.figures.score_curves import score_curve
from vad_lib.report.figures.strips import Strip, frame_strip
from vad_lib.runs.trained_model import load_model
from vad_lib.storage.paths import feature_store
from vad_lib.storage.writing import atomic_path

I3D_BACKBONES = ("i3d-kinetics400", "as imported")  # the second is I3D only if the user says so by stating sizes
PADDING_RULES = ("repeat last frame", "as imported")
STRIP_FRAMES, STRIP_HEIGHT = 8, 96
NARROWEST = 320  # pixels; smaller videos are enlarged so that the words beneath are legible


class ScoredVideo(NamedTuple):
    """The scores of one's own video, and the files that they were written to.

    Attributes:
        frames: a row per frame: ``frame``, ``seconds``, ``score`` in [0, 1]; and where the method has them, ``visual`` and
            ``semantic`` in [0, 1], and ``category``, the one of the largest cosine in the alignment map.
        files: ``scores``, ``curve`` and ``video`` -> path.
    """

    frames: pd.DataFrame
    files: dict[str, Path]


def feature_recipe(
    contract: FeatureContract, *, short_side: int | None = None, crop_size: int | None = None, weights: str = ""
) -> FeatureSettings:
    """Settings that extract features as a contract has them.

    Args:
        contract: of the features that a model was trained on.
        short_side: pixels of the shorter side; only for imported features, whose contract does not know it.
        crop_size: pixels of a square crop, likewise. Stating both also says that the features are I3D's with stride 16.
        weights: path of a checkpoint of the backbone; empty for Kinetics-400's (I3D) or OpenAI's (CLIP).

    Raises:
        DataError: such features cannot be made here from pixels: another backbone, width, stride, padding or crops, or
            other weights.
        ConfigError: a size is not known and not stated, or stated otherwise than the contract has it.
    """
    backbone, clip_frames = CLIP_BACKBONES.get(contract.backbone, ("i3d", "middle"))
    _check_possible(contract, backbone)
    settings = FeatureSettings(
        backbone=backbone,
        clip_frames=clip_frames,
        short_side=_known_size("short_side", contract.short_side, short_side),
        crop_size=_known_size("crop_size", contract.crop_size, crop_size),
        num_crops=len(contract.crops),
        dtype=contract.dtype,
        weights=weights,
    )
    found = load_backbone(settings).weights_sha256
    if contract.weights_sha256 not in ("", found):
        kind = "I3D" if backbone == "i3d" else "CLIP"
        raise DataError(
            f"the model was trained on features of other {kind} weights ({contract.weights_note or contract.weights_sha256[:12]}) "
            f"than {settings.weights} ({found[:12]}); give their checkpoint with --weights."
        )
    return settings


def _check_possible(contract: FeatureContract, backbone: str) -> None:
    """Refuse features that cannot be made here from pixels."""
    possible = {
        "backbone": (*I3D_BACKBONES, *CLIP_BACKBONES),
        "dimension": (FEATURE_DIM,) if backbone == "i3d" else (contract.dimension,),
        "frames_per_snippet": (FRAMES_PER_SNIPPET,),
        "stride": (FRAMES_PER_SNIPPET,),
        "padding_rule": PADDING_RULES,
        "crops": tuple(CROP_NAMES.values()),
    }
    for name, values in possible.items():
        if (found := getattr(contract, name)) not in values:
            raise DataError(
                f"{name} of the features that the model was trained on is {found!r}, which cannot be made here from pixels (only "
                f"{' or '.join(map(repr, values))}); train a model on features extracted here."
            )


def _known_size(name: str, known: int | None, stated: int | None) -> int:
    """A size in pixels: the contract's, or else the one that was stated."""
    if known is not None and stated not in (None, known):
        raise ConfigError(f"{name}: the model was trained on features with {known}, {stated} was stated; leave it out.")
    size = stated if known is None else known
    if size is None:
        raise ConfigError(
            f"{name}: the model was trained on imported features, whose recipe is not known here; if they are I3D's with "
            "stride 16 (vad_lib.data.feature_comparison tells), state the sizes, e.g. --short-side 256 --crop-size 224."
        )
    return size


def score_video(
    video: Path | str,
    run: Path | str,
    out: Path | str,
    *,
    device: str = "cpu",
    short_side: int | None = None,
    crop_size: int | None = None,
    weights: str = "",
    progress: bool = True,
) -> ScoredVideo:
    """Score a video with a trained run: extract its features, score them, write scores, curve and annotated video.

    Memory does not grow with the pixels of the video, only with its features and scores.

    Args:
        video: the file.
        run: folder of a finished run.
        out: folder for the results; made if missing. What was there stays whole until its successor is complete.
        device: of torch.
        short_side: pixels of the shorter side; only for a model that was trained on imported features.
        crop_size: pixels of a square crop, likewise.
        weights: path of a checkpoint of the backbone; empty for Kinetics-400's (I3D) or OpenAI's (CLIP).
        progress: True for a bar on a terminal.

    Raises:
        MissingFileError: no video, no finished run, or no weights of the backbone.
        DataError: the video cannot be decoded, the run is damaged, or such features cannot be made here from pixels.
        ConfigError: a size is missing or contradicts the run; the run's method has no kept weights; or the video lies where
            a result would.
        OutputError: ``out`` cannot be written or the disk is full.
    """
    video, out = Path(video), Path(out)
    files = {"scores": out / "scores.csv", "curve": out / "curve.png", "video": out / "annotated.mp4"}
    if video.resolve() in {path.resolve() for path in files.values()}:
        raise ConfigError(
            f"{video}: the annotated video would take the place of the video itself; choose another folder with --out."
        )
    model, config = load_model(run, fast_cpu=device == "cpu")
    contract = FeatureContract(**{name: value for name, value in config["features"].items() if name != "content_hash"})
    recipe = feature_recipe(contract, short_side=short_side, crop_size=crop_size, weights=weights)
    info = probe(video)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideoWarning)  # said by probe
        store = _extract(video, feature_store(out, recipe.backbone), recipe, device, progress)
        dataset = _dataset_of_one_video(video.stem, info, store, tuple(config["categories"]))
        arrays = snippet_scores(model.to(device), dataset, dataset.videos.records, device)[video.stem]
        frames = _frame_table(arrays, info, dataset.categories)
        write_video(files["video"], annotated_frames(video, frames), info.fps, seconds=info.seconds)
        _draw_curve(files["curve"], video, info, arrays, config["title"])
    with atomic_path(files["scores"]) as temporary:
        frames.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return ScoredVideo(frames, files)


def annotated_frames(video: Path | str, frames: pd.DataFrame) -> Iterator[np.ndarray]:
    """The frames of a video, each with its score as a bar, the number, the time and, if known, the category beneath.

    Args:
        video: the file.
        frames: a row per frame with ``score``, ``seconds`` and perhaps ``category``, as :class:`ScoredVideo` has them.

    Yields:
        uint8 (height, width, 3), RGB, sides even, width at least 320; one frame held at a time.
    """
    colour = tuple(round(255 * part) for part in to_rgb(style.VERMILION))
    for frame, row in zip(read_frames(video), frames.itertuples(index=False), strict=True):
        height, width = frame.shape[:2]
        scale = max(1.0, NARROWEST / width)
        # players want even sides
        height, width = (2 * round(side * scale / 2) for side in (height, width))
        line = max(24, height // 12)
        picture = np.full((height + 2 * line, width, 3), 24, dtype=np.uint8)
        picture[:height] = frame if scale == 1 and frame.shape[:2] == (height, width) else cv2.resize(frame, (width, height))
        words = f"score {row.score:.2f}" + (f"  {row.category}" if "category" in frames else "")
        _write_words(picture, words, 8, height + line, line)
        _write_words(picture, f"{int(row.seconds // 60)}:{row.seconds % 60:04.1f}", width - 3 * line, height + line, line)
        top, bottom, right = height + line + line // 4, height + 2 * line - line // 4, width - 8
        cv2.rectangle(picture, (8, top), (right, bottom), (90, 90, 90), 1)
        cv2.rectangle(picture, (8, top), (8 + round(row.score * (right - 8)), bottom), colour, cv2.FILLED)
        yield picture


def _write_words(picture: np.ndarray, words: str, left: int, bottom: int, line: int) -> None:
    cv2.putText(picture, words, (left, bottom - line // 4), cv2.FONT_HERSHEY_SIMPLEX, line / 44, (240, 240, 240), 1, cv2.LINE_AA)


def _extract(video: Path, folder: Path, recipe: FeatureSettings, device: str, progress: bool) -> FeatureStore:
    report = extract_dataset({video.stem: video}, [video.stem], folder, recipe, device=device, progress=progress)
    if report.store is None:
        raise DataError(report.failures[video.stem])
    return report.store


def _dataset_of_one_video(name: str, info: VideoInfo, store: FeatureStore, categories: tuple[str, ...]) -> Dataset:
    """A data set of this video alone; its category is not known and not looked at."""
    record = VideoRecord(name, "test", (categories[0],), info.num_frames)
    about = DatasetInfo(
        name="own-video",
        title=name,
        categories=categories,
        headline_metric="auc",
        source="one video",
        synthetic=False,
        fps=info.fps,
    )
    return Dataset(store.folder.parent, about, VideoList(categories, (record,)), store)


def _frame_table(arrays: dict[str, np.ndarray], info: VideoInfo, categories: tuple[str, ...]) -> pd.DataFrame:
    num_frames = info.num_frames
    columns = {"frame": np.arange(num_frames), "seconds": info.seconds}
    columns |= {name: frame_scores(arrays[name], num_frames) for name in style.CURVES if name in arrays}
    if "alignment" in arrays:
        columns["category"] = frame_scores(np.array(categories)[arrays["alignment"].argmax(axis=1)], num_frames)
    return pd.DataFrame(columns)


def _draw_curve(path: Path, video: Path, info: VideoInfo, arrays: dict[str, np.ndarray], method: str) -> None:
    positions = np.unique(np.linspace(0, info.num_frames - 1, STRIP_FRAMES).astype(int))
    strip = Strip(positions, frame_strip(video, positions.tolist(), STRIP_HEIGHT))
    curves = {name: arrays[name] for name in style.CURVES if name in arrays}
    unknown = np.zeros(info.num_frames, dtype=np.uint8)
    scores = VideoScores(video.stem, (), unknown, curves, arrays.get("alignment"))
    fig, _ = score_curve(scores, strip, info.seconds, f"{video.name}: {method}")
    with atomic_path(path) as temporary:
        fig.savefig(temporary, dpi=style.DPI)
    plt.close(fig)


@command_line("run the same command again to go on from here")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vad_lib.deployment.score_video", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("video", help="the video file")
    add("--run", required=True, help="folder of a finished run, results/PROFILE/runs/DATASET/VARIANT/seedN")
    add("--out", required=True, help="folder that gets scores.csv, curve.png, annotated.mp4 and the features")
    add("--device", default="cpu", help="torch device (default: cpu)")
    add("--short-side", type=int, help="pixels; for models trained on imported features")
    add("--crop-size", type=int, help="pixels; for models trained on imported features")
    add("--weights", default="", help="checkpoint of I3D or CLIP, for models trained on features of one's own weights")
    options = parser.parse_args(arguments)
    scored = score_video(**vars(options))
    highest = scored.frames.loc[scored.frames["score"].idxmax()]
    print(f"{len(scored.frames):,} frames, highest score {highest['score']:.2f} at {highest['seconds']:.1f} s")
    print("\n".join(str(path) for path in scored.files.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What feature files are, as far as numbers alone can tell: width, crops, stride, range, length of vectors."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.importing.layouts import FeatureFile, files_below, find_layout, read_crops, with_shape
from vad_lib.data.importing.video_names import video_key
from vad_lib.errors import DataError, first_few

MOST_FILES = 60  # that are read; shapes are read of all
_WIDTHS = {
    512: "CLIP ViT-B",
    768: "CLIP ViT-L, or a video transformer",
    1024: "one stream of I3D (Inception), as in this paper and in Wu et al.'s features",
    2048: "I3D with ResNet-50 (RTFM, MGFN), or both streams of I3D (Inception) side by side",
    4096: "C3D (Sultani et al.)",
}


def describe_features(folder: Path | str, videos: Sequence[VideoRecord] = ()) -> list[str]:
    """Say what the features in a folder are, and where they differ from what this paper's method expects.

    What two files of the same shape cannot show, such as exchanged colours, needs the video: notebook 01 extracts features of
    one video and compares (:func:`vad_lib.data.feature_comparison.compare_features`).

    Args:
        folder: ``.npy`` files at any depth.
        videos: test videos with their frames, to find the stride and the treatment of the last snippet.

    Raises:
        DataError: no features, or files of two layouts.
    """
    folder = Path(folder)
    files = [with_shape(file) for file in files_below(folder, (".npy",))]
    if not files:
        raise DataError(f"{folder}: expected .npy files of features, found none; check --features.")
    if empty := [file.path.name for file in files if 0 in file.shape]:
        raise DataError(f"{folder}: expected features in every file, got empty arrays in {first_few(empty)}; extract them again.")
    layout = find_layout(folder, files, None)
    assert layout is not None  # or it was raised
    widths, by_key = Counter(file.shape[-1] for file in files), _by_video(files)
    crops = Counter(_crops(group, layout) for group in by_key.values())
    said = [f"{len(files):,} files of {len(by_key):,} videos, layout {layout}."]
    for width, count in widths.most_common():
        said.append(
            f"{count:,} files are {width:,} wide: {_WIDTHS.get(width, 'no width that public features of this field have')}."
        )
    if len(widths) > 1:
        said.append("Two widths in one folder are two releases; keep one.")
    if set(widths) == {2048}:
        said.append("A model for 1,024 cannot read them. To cut or to add halves gives other features, and other numbers.")
    for number, count in crops.most_common():
        said.append(f"{count:,} videos have {number} crop{'s' * (number > 1)}{_crop_advice(number)}")
    if videos:
        said += _lengths(by_key, layout, videos)
    said += _numbers(by_key, layout)
    return [
        *said,
        "Exchanged colours, another scale of pixels or another decoder leave no trace here: notebook 01 finds them with one video.",
    ]


def _by_video(files: Sequence[FeatureFile]) -> dict[str, list[FeatureFile]]:
    found: dict[str, list[FeatureFile]] = {}
    for file in files:
        found.setdefault(file.key, []).append(file)
    return {key: sorted(group, key=lambda file: file.crop or 0) for key, group in found.items()}


def _crops(group: list[FeatureFile], layout: str) -> int:
    axis = {"t-n-d": 1, "n-t-d": 0}.get(layout)
    return len(group) if axis is None else group[0].shape[axis]


def _snippets(group: list[FeatureFile], layout: str) -> int:
    return group[0].shape[1 if layout == "n-t-d" else 0]


def _crop_advice(number: int) -> str:
    if number == 10:
        return ": the usual ten; average their scores after the sigmoid."
    if number == 5:
        return ": the usual five of XD-Violence, and half of the ten of UCF-Crime."
    if number == 1:
        return ": published numbers on ten crops are not expected from it; score both and give the doctor each file of scores."
    return ", which is no usual number."


def _lengths(by_key: dict[str, list[FeatureFile]], layout: str, videos: Sequence[VideoRecord]) -> list[str]:
    known = [video for video in videos if video_key(video.name) in by_key and video.num_frames]
    if not known:
        return ["None of the files is named as a test video, so their lengths are not compared."]
    frames = np.array([video.num_frames for video in known])
    found = np.array([_snippets(by_key[video_key(video.name)], layout) for video in known])
    if len(known) > 3 and len(set(found.tolist())) == 1 and len(set(frames.tolist())) > 1:
        return [f"All {len(known)} test videos have {found[0]} rows, whatever their length: they were brought to segments."]
    stride = float(np.median(frames / found))
    padded, cut = int((found == -(-frames // FRAMES_PER_SNIPPET)).sum()), int((found == frames // FRAMES_PER_SNIPPET).sum())
    if abs(stride - FRAMES_PER_SNIPPET) > 1:
        usual = min((1, 2, 4, 8, 10, 12, 16, 24, 30, 32, 64), key=lambda each: abs(each - stride))
        return [f"A row stands for about {stride:.1f} frames, not for 16: stride {usual}. The frame labels must be made for it."]
    off = [video.name for video, rows, count in zip(known, found, frames) if rows not in (count // 16, -(-count // 16))]
    said = [
        f"A row stands for 16 frames. {cut} of {len(known)} test videos have the complete snippets alone (as rules A and C count), "
        f"{padded} have the incomplete last one too (as rule B counts); a video of 16, 32, ... frames is in both."
    ]
    return said + ([f"{len(off)} videos have neither number: {first_few(off)}."] if off else [])


def _numbers(by_key: dict[str, list[FeatureFile]], layout: str) -> list[str]:
    """Range, sign and lengths of the vectors of the first files."""
    low, high, norms, same = np.inf, -np.inf, [], 0
    groups = list(by_key.values())[:MOST_FILES]
    for group in groups:
        parts = [np.asarray(part, dtype=np.float64) for part in read_crops([file.path for file in group], layout)]  # type: ignore[arg-type]
        for part in parts:
            if not np.isfinite(part).all():
                return [f"{group[0].path.name}: NaN or infinity in the features; extract this video again."]
        low, high = min(low, *(part.min() for part in parts)), max(high, *(part.max() for part in parts))
        norms.append(np.linalg.norm(np.concatenate(parts), axis=-1))
        same += len(parts) > 1 and all((part == parts[0]).all() for part in parts[1:])
    length = np.concatenate(norms)
    said = [
        f"Values of {len(groups)} videos reach from {low:.3g} to {high:.3g}; a row is {np.median(length):.3g} long (median), "
        f"{length.min():.3g} to {length.max():.3g}."
    ]
    if length.std() < 1e-3 * length.mean():
        said.append(
            "All rows have one length: they were normalised. I3D features of the field are not; undo it, or train on these alone."
        )
    elif low < 0:
        said.append(
            "There are negative values: features after the last average pooling of I3D have none. They are logits, or were centred."
        )
    else:
        said.append("No negative value, as after the average pooling of I3D.")
    if same:
        said.append(f"In {same} of {len(groups)} videos all crops are the same numbers; one crop was copied.")
    if (length == 0).any():
        said.append(f"{int((length == 0).sum())} rows are all zero; the extraction failed there.")
    return said

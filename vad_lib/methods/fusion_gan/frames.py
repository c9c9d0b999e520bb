"""FusionNet+LSTM+GAN: frames of videos as the networks take them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.snippets import resize_frame
from vad_lib.data.video import read_frames
from vad_lib.data.video_files import find_video
from vad_lib.errors import DataError
from vad_lib.methods.fusion_gan.networks import FusionGANSettings


class TrainingFrames(NamedTuple):
    """Reduced frames of the training videos.

    Attributes:
        frames: uint8 (N, C, H, W).
        starts: int64 (M,), where windows of successive frames of one video begin.
        videos: names.
        owners: int64 (M,), which of the videos a window is from.
    """

    frames: Tensor
    starts: np.ndarray
    videos: tuple[str, ...]
    owners: np.ndarray


def reduced_frame(frame: np.ndarray, settings: FusionGANSettings) -> np.ndarray:
    """A decoded frame (H, W, 3) as the networks take it, uint8 (C, side, side); the aspect is not kept."""
    if settings.channels == 1:
        return resize_frame(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), settings.side, settings.side)[None]
    return resize_frame(frame, settings.side, settings.side).transpose(2, 0, 1)


def training_frames(
    dataset: Dataset, records: Sequence[VideoRecord], settings: FusionGANSettings, seed: int, progress: bool = False
) -> TrainingFrames:
    """Decode videos once each and keep their reduced frames; of more than ``memory_mb``, excerpts of one window each.

    Excerpts are spread evenly over all windows of all videos. Frames stream, so that no more than those kept and
    one decoded frame are in memory.

    Args:
        dataset: its folder holds the videos.
        records: videos to read.
        settings: size, stride, window and bound.
        seed: of the excerpts' place.
        progress: show a progress bar on a terminal.

    Raises:
        DataError: the data set has no videos, one is damaged, or all are too short for a window.
        MissingFileError: a video is missing.
    """
    folder, window = video_folder(dataset), settings.window
    lengths = np.array([-(-record.num_frames // settings.frame_stride) for record in records])
    capacity = 2**20 * settings.memory_mb // (settings.channels * settings.side**2)
    windows = np.maximum(lengths - window + 1, 0)
    too_short = DataError(
        f"data set {dataset.name}: FusionNet+LSTM+GAN needs normal training videos of at least "
        f"{(window - 1) * settings.frame_stride + 1} frames, got none among {len(records)}; add some, or lower context or "
        "frame_stride."
    )
    if windows.sum() == 0:
        raise too_short
    # excerpts (video, first frame, length)
    if lengths.sum() <= capacity:
        excerpts = [(video, 0, length) for video, length in enumerate(lengths) if length >= window]
    else:
        count = min(capacity // window, windows.sum())
        places = np.floor((np.arange(count) + np.random.default_rng(seed).random()) * windows.sum() / count).astype(int)
        ends = windows.cumsum()
        videos = np.searchsorted(ends, places, side="right")
        excerpts = [(video, place - (ends[video] - windows[video]), window) for video, place in zip(videos, places)]
    rows: dict[int, dict[int, list[int]]] = {}  # video -> frame -> rows of the array
    first_rows = np.cumsum([0] + [length for _, _, length in excerpts])
    for (video, start, length), row in zip(excerpts, first_rows):
        for offset in range(length):
            rows.setdefault(video, {}).setdefault(int(start) + offset, []).append(int(row) + offset)
    frames = np.empty((first_rows[-1], settings.channels, settings.side, settings.side), dtype=np.uint8)
    decoded = np.zeros(len(frames), dtype=bool)
    for video in tqdm(sorted(rows), desc="frames", unit="video", disable=None if progress else True, leave=False):
        for number, frame in enumerate(read_frames(find_video(folder, records[video].name))):
            place, between = divmod(number, settings.frame_stride)
            if not between and place in rows[video]:
                frames[rows[video][place]] = reduced_frame(frame, settings)
                decoded[rows[video][place]] = True
    starts = np.concatenate([row + np.arange(length - window + 1) for (_, _, length), row in zip(excerpts, first_rows)])
    owners = np.concatenate([np.full(length - window + 1, video) for video, _, length in excerpts])
    complete = decoded[starts + window - 1]  # a video may end before its list says so
    if not complete.any():
        raise too_short
    return TrainingFrames(torch.from_numpy(frames), starts[complete], tuple(r.name for r in records), owners[complete])


def video_folder(dataset: Dataset) -> Path:
    """Folder of the videos.

    Raises:
        DataError: the data set came as features only.
    """
    folder = dataset.folder / "videos"
    if not folder.is_dir():
        raise DataError(
            f"data set {dataset.name}: FusionNet+LSTM+GAN predicts the pixels of videos, but there is no folder {folder}; this row "
            "needs the videos themselves, features are not enough. Put them there or leave the row out."
        )
    return folder


def frames_to_input(frames: Tensor, device: str | torch.device) -> Tensor:
    """Grey levels or colours as the networks take them: uint8 of any shape -> float32 in [-1, 1], on the device."""
    return frames.to(device).float().div_(127.5).sub_(1)

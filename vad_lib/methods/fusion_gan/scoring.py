"""FusionNet+LSTM+GAN: errors of predicted frames to scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.data.video import read_frames
from vad_lib.data.video_files import find_video
from vad_lib.methods.fusion_gan.frames import frames_to_input, reduced_frame, video_folder
from vad_lib.methods.fusion_gan.losses import PIXEL_RANGE
from vad_lib.methods.fusion_gan.networks import FusionGANSettings, Generator

LEAST_MSE = 1e-9  # far below what rounding to 8 bits costs (5e-6); keeps PSNR finite

FLAT_DB = 1e-3  # a video whose PSNR varies less has no frame that is worse than another: rounding is not stretched


def score_videos(
    generator: Generator, dataset: Dataset, records: Sequence[VideoRecord], device: str = "cpu", progress: bool = False
) -> dict[str, np.ndarray]:
    """Score the snippets of videos by how badly their frames are predicted.

    Videos stream: memory is bounded by ``scoring_batch`` and ``context``, whatever their length. Each frame is
    decoded and encoded once.

    Args:
        generator: trained, on ``device``; its settings say how frames are taken.
        dataset: its folder holds the videos.
        records: videos to score.
        device: where the generator is.
        progress: show a progress bar on a terminal.

    Returns:
        per video of ``records`` float32 (T,) in [0, 1], T = ceil(frames / 16): means over the frames of each snippet.
        All zeros for a video that is too short for a window or whose frames are all predicted equally well.

    Raises:
        DataError: the data set has no videos, or one is damaged.
        MissingFileError: a video is missing.
    """
    folder, settings = video_folder(dataset), generator.settings
    scores = {}
    for record in tqdm(records, desc="scoring", unit="video", disable=None if progress else True, leave=False):
        found, num_frames = predicted_psnr(generator, find_video(folder, record.name), device)
        scores[record.name] = snippet_means(
            spread(normalised(found), num_frames, first=settings.context, frame_stride=settings.frame_stride)
        )
    return scores


def predicted_psnr(generator: Generator, path: Path | str, device: str = "cpu") -> tuple[np.ndarray, int]:
    """PSNR (dB) of all frames of a video that have enough frames before and after them, and the number of its frames.

    Args:
        generator: trained, on ``device``.
        path: the video.
        device: where the generator is.

    Returns:
        float64 (G - 2c,) with G = ceil(frames / frame_stride), empty if G <= 2c; and the frames of the video.
    """
    context, window = generator.settings.context, torch.arange(generator.settings.window, device=device)
    beside = window[window != context]  # places of the context, counted from the first frame of a window
    found, num_frames, known, pixels = [], 0, None, None
    with torch.inference_mode():
        for chunk, covered in _chunks(path, generator.settings):
            frames = frames_to_input(torch.from_numpy(chunk), device)
            encoded = generator.encode(frames)
            if known is None or pixels is None:
                known, pixels = encoded, frames
            else:
                known, pixels = known.joined(encoded), torch.cat([pixels, frames])
            num_frames += covered
            count = len(pixels) - 2 * context
            if count > 0:
                predicted = generator.predict(known, torch.arange(count, device=device)[:, None] + beside)
                real = pixels[context : context + count]
                found.append(psnr((predicted - real).square().flatten(1).mean(dim=1)).cpu())
                # what the next frames have as their context
                known, pixels = known.last(2 * context), pixels[-2 * context :]
    return (torch.cat(found).double().numpy() if found else np.empty(0)), num_frames


def _chunks(path: Path | str, settings: FusionGANSettings) -> Iterator[tuple[np.ndarray, int]]:
    """Every ``frame_stride``-th frame, reduced, uint8 (n, C, H, W) at a time, and how many frames of the video these cover."""
    waiting, covered = [], 0
    for frame in read_frames(path):
        if covered % settings.frame_stride == 0:
            waiting.append(reduced_frame(frame, settings))
        covered += 1
        if covered == settings.scoring_batch * settings.frame_stride:
            yield np.stack(waiting), covered
            waiting, covered = [], 0
    if waiting:
        yield np.stack(waiting), covered


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of frames in [-1, 1] from their mean squared errors, at most 96 dB.

    Example: an error of a tenth of the range everywhere.
        >>> psnr(torch.tensor([0.04]))
        tensor([20.])
    """
    return 10 * (PIXEL_RANGE**2 / mse.clamp(min=LEAST_MSE)).log10()


def normalised(values: np.ndarray) -> np.ndarray:
    """PSNR of one video's frames to scores in [0, 1], 1 where it is lowest; zeros if it hardly varies.

    Example:
        >>> normalised(np.array([30.0, 20.0, 25.0])).tolist()
        [0.0, 1.0, 0.5]
    """
    if len(values) == 0 or np.ptp(values) < FLAT_DB:
        return np.zeros(len(values))
    return 1 - (values - values.min()) / np.ptp(values)


def spread(scores: np.ndarray, num_frames: int, *, first: int, frame_stride: int) -> np.ndarray:
    """Give every frame of a video the score of the nearest frame that has one, the earlier of two; zeros if none has.

    Args:
        scores: (n,), of every ``frame_stride``-th frame.
        num_frames: frames of the video.
        first: place of the first score among every ``frame_stride``-th frame.
        frame_stride: every so many frames one has a score.

    Returns:
        float64 (num_frames,).

    Example: frames 2 and 4 have scores.
        >>> spread(np.array([0.25, 0.75]), 7, first=1, frame_stride=2).tolist()
        [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75]
    """
    if len(scores) == 0:
        return np.zeros(num_frames)
    nearest = (np.arange(num_frames) + (frame_stride - 1) // 2) // frame_stride - first
    return np.asarray(scores, dtype=np.float64)[nearest.clip(0, len(scores) - 1)]


def snippet_means(frame_scores: np.ndarray, frames_per_snippet: int = FRAMES_PER_SNIPPET) -> np.ndarray:
    """Mean score of each snippet's frames, float32 (ceil(F / frames_per_snippet),); the last may have fewer frames.

    Example:
        >>> snippet_means(np.array([0.0, 1.0, 0.25]), frames_per_snippet=2).tolist()
        [0.5, 0.25]
    """
    bounds = np.arange(0, len(frame_scores), frames_per_snippet)
    return (np.add.reduceat(frame_scores, bounds) / np.diff(np.append(bounds, len(frame_scores)))).astype(np.float32)

"""FusionNet+LSTM+GAN (our stand-in): anomalies are frames that a network trained on normal videos cannot predict.

Stands for the row "FusionNet+LSTM+GAN" (Zhao, Yang, Xiang et al., Journal of Jilin University (Information Science Edition)
2025, 43(5), 1128-1137) of the paper's comparison. Neither text nor code of that work was to be had, so this file
reproduces nothing: it is a generic design of our own around the three parts that the name gives, with values that are
customary in the frame-prediction literature, and none of its numbers says anything about the published one.

A frame is predicted from the frames before and after it. Each of those is encoded by itself ("FusionNet", a
residual U-Net whose long skips are added); two convolutional LSTMs go through the encodings towards the missing
frame, one forwards in time and one backwards; a discriminator of patches sharpens what is decoded ("GAN"). The
worse the prediction (PSNR), the more abnormal the frame.

symbol    here                     shape
I         frames                   (n, C, H, W) in [-1, 1], H = W = ``side``
e_l       Encoded.skips[l]         (n, widths[l], H / 2^l, W / 2^l)
h_f, h_b  states of ``temporal``   (b, widths[-1], H / 2^(L-1), W / 2^(L-1))
I'        prediction               (b, C, H, W) in (-1, 1)

n frames, b predicted frames, C colour channels, L levels, c frames of context on either side.

How it differs from the others: it takes pixels, not features; it learns from normal training videos only and
sees no label of an abnormal one; it has no bags and is no :class:`~vad_lib.methods.base.Method`; and each video's scores
are stretched to [0, 1], so every video has a frame of score 1. False alarms on normal videos at a threshold of 0.5 mean
nothing for it, and neither does the level of a whole video.

Optical flow: such designs usually also compare flows, taken from a trained flow network, whose weights cannot be
counted on here; flow by OpenCV has no gradient. The motion term compares how much each pixel changes from the previous
frame instead. Generators of the default settings have 14,235,105 parameters, discriminators 2,759,105.
"""

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
from vad_lib.data.video import find_video, read_frames
from vad_lib.errors import DataError, TrainingError
from vad_lib.losses import total_loss
from vad_lib.methods.fusion_gan.losses import discriminator_loss, generator_terms
from vad_lib.methods.fusion_gan.networks import Discriminator, FusionGANSettings, Generator
from vad_lib.storage.provenance import seed_everything

NAME = "fusion-gan"

TITLE = "FusionNet+LSTM+GAN (our stand-in)"

NOTE = (
    "A stand-in of our own, no reproduction: predicts frames from their pixels, trained on normal videos only. Scores are "
    "stretched to [0, 1] in each video, so false alarms on normal videos mean nothing."
)



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
        f"data set {dataset.name}: {TITLE} needs normal training videos of at least {(window - 1) * settings.frame_stride + 1} "
        f"frames, got none among {len(records)}; add some, or lower context or frame_stride."
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
    folder = dataset.folder / "videos"
    if not folder.is_dir():
        raise DataError(
            f"data set {dataset.name}: {TITLE} predicts the pixels of videos, but there is no folder {folder}; this row needs the "
            "videos themselves, features are not enough. Put them there or leave the row out."
        )
    return folder


def frames_to_input(frames: Tensor, device: str | torch.device) -> Tensor:
    return frames.to(device).float().div_(127.5).sub_(1)


class FusionGANFit(NamedTuple):
    """What training gives.

    Attributes:
        generator: trained, on the device; all that scoring needs.
        log: a row per step: ``step``, ``loss``, ``loss/TERM``, ``weight/TERM`` and ``discriminator``.
        videos: names of the normal videos that it was trained on.
    """

    generator: Generator
    log: list[dict[str, float]]
    videos: tuple[str, ...]


def fit_fusion_gan(
    dataset: Dataset,
    fit_records: Sequence[VideoRecord],
    settings: FusionGANSettings,
    seed: int,
    device: str = "cpu",
    progress: bool = True,
) -> FusionGANFit:
    """Train generator and discriminator on the normal ones of some training videos.

    Seeds all generators; the same seed on the same machine gives the same numbers.

    Args:
        dataset: its folder holds the videos; features are not needed.
        fit_records: training videos; abnormal ones are left out.
        settings: sizes, weights, steps; see :data:`PRESETS`.
        seed: of the start, the batches and the excerpts.
        device: of torch.
        progress: show progress bars on a terminal.

    Raises:
        DataError: the data set has no videos, or no normal one that is long enough; a video is damaged.
        MissingFileError: a video is missing.
        TrainingError: a loss became NaN or infinite; step, term and the batch's videos are named.
    """
    normal = [record for record in fit_records if not dataset.videos.is_abnormal(record)]
    data = training_frames(dataset, normal, settings, seed, progress)
    seed_everything(seed)
    generator, discriminator = Generator(settings).to(device), Discriminator(settings).to(device)
    optimiser = torch.optim.Adam(generator.parameters(), lr=settings.lr, fused=True)
    optimiser_d = torch.optim.Adam(discriminator.parameters(), lr=settings.discriminator_lr, fused=True)
    log: list[dict[str, float]] = []
    for step in tqdm(range(settings.steps), desc=NAME, disable=None if progress else True, leave=False):
        drawn = np.random.default_rng([seed, step]).integers(len(data.starts), size=settings.batch_size)
        places = torch.from_numpy(data.starts[drawn, None] + np.arange(settings.window))
        window = frames_to_input(data.frames[places], device)
        before, real, after = window.tensor_split((settings.context, settings.context + 1), dim=1)
        real = real.squeeze(1)
        predicted = generator(torch.cat([before, after], dim=1))
        adversarial = settings.adversarial_weight > 0
        discriminator.requires_grad_(False)  # no gradients that nobody needs
        terms = generator_terms(settings, predicted, real, before[:, -1], discriminator(predicted) if adversarial else None)
        loss = total_loss(terms)
        row: dict[str, float] = {"step": step + 1, "loss": loss.item()}
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        for name, term in terms.items():
            row |= {f"loss/{name}": term.value.item(), f"weight/{name}": term.weight}
        if adversarial:
            discriminator.requires_grad_(True)
            judged_real, judged_predicted = discriminator(torch.cat([real, predicted.detach()])).chunk(2)
            loss_d = discriminator_loss(judged_real, judged_predicted)
            row["discriminator"] = loss_d.item()
            optimiser_d.zero_grad(set_to_none=True)
            loss_d.backward()
            optimiser_d.step()
        if broken := [name for name, value in row.items() if not np.isfinite(value)]:
            term = next((name for name in broken if "/" in name), broken[0])
            names = sorted({data.videos[owner] for owner in data.owners[drawn]})
            raise TrainingError(
                f"{NAME}, step {step + 1}: {term} is {row[term]}, expected a finite number. Videos of the batch: "
                f"{', '.join(names)}. Lower the learning rates."
            )
        log.append(row)
    return FusionGANFit(generator, log, tuple(record.name for record in normal))

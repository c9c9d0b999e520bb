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
sees no label of an abnormal one; it has no bags and is no :class:`~vad_lib.method.Method`; and each video's scores
are stretched to [0, 1], so every video has a frame of score 1. False alarms on normal videos at a threshold of 0.5 mean
nothing for it, and neither does the level of a whole video.

Optical flow: such designs usually also compare flows, taken from a trained flow network, whose weights cannot be
counted on here; flow by OpenCV has no gradient. The motion term compares how much each pixel changes from the previous
frame instead. Generators of the default settings have 14,235,105 parameters, discriminators 2,759,105.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from tqdm import tqdm

from vad_lib.annotations import VideoRecord
from vad_lib.config import FRAMES_PER_SNIPPET, Settings
from vad_lib.datasets import Dataset
from vad_lib.errors import DataError, TrainingError
from vad_lib.method import LossTerm, total_loss
from vad_lib.provenance import seed_everything
from vad_lib.video import find_video, read_frames, resize_frame

NAME = "fusion-gan"
TITLE = "FusionNet+LSTM+GAN (our stand-in)"
NOTE = (
    "A stand-in of our own, no reproduction: predicts frames from their pixels, trained on normal videos only. Scores are "
    "stretched to [0, 1] in each video, so false alarms on normal videos mean nothing."
)
MODULES = ("method", "video", "methods/fusion_gan")  # whose code decides its numbers

SSIM_WINDOW, SSIM_SIGMA, SSIM_K1, SSIM_K2 = 11, 1.5, 0.01, 0.03  # Wang, Bovik, Sheikh and Simoncelli 2004
PIXEL_RANGE = 2.0  # of frames in [-1, 1]
LEAST_MSE = 1e-9  # far below what rounding to 8 bits costs (5e-6); keeps PSNR finite
FLAT_DB = 1e-3  # a video whose PSNR varies less has no frame that is worse than another: rounding is not stretched


class FusionGANSettings(Settings):
    """Settings of the stand-in; the defaults are customary values of the literature, for a GPU."""

    side: int = Field(256, ge=16, description="pixels of the square that frames are reduced to")
    channels: Literal[1, 3] = Field(1, description="1: grey, 3: colour")
    widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=1, description="channels of the levels, full size first")
    discriminator_widths: tuple[int, int, int, int] = Field((64, 128, 256, 512), description="of its strided convolutions")
    context: int = Field(4, ge=1, description="c, frames before the predicted one, and as many after it")
    frame_stride: int = Field(1, ge=1, description="every so many frames one is used; the others copy the nearest score")
    steps: int = Field(20_000, ge=1)
    batch_size: int = Field(4, ge=1, description="predicted frames per step")
    lr: float = Field(2e-4, gt=0, description="of the generator")
    discriminator_lr: float = Field(2e-5, gt=0)
    intensity_weight: float = Field(1.0, ge=0)
    gradient_weight: float = Field(1.0, ge=0)
    similarity_weight: float = Field(1.0, ge=0)
    motion_weight: float = Field(2.0, ge=0, description="the weight usual for optical flow; 0 leaves the term out")
    adversarial_weight: float = Field(0.05, ge=0, description="0 leaves the discriminator out")
    memory_mb: int = Field(2048, ge=1, description="most MiB of reduced training frames held; beyond, excerpts of the videos")
    scoring_batch: int = Field(8, ge=1, description="frames that are predicted together in scoring")

    @model_validator(mode="after")
    def _sizes_fit(self) -> "FusionGANSettings":
        if min(*self.widths, *self.discriminator_widths) < 1:
            raise ValueError("widths must be positive")
        if self.side % 2 ** (len(self.widths) - 1):
            raise ValueError(f"side must be a multiple of {2 ** (len(self.widths) - 1)}, as there are {len(self.widths)} widths")
        if 2**20 * self.memory_mb < self.window * self.channels * self.side**2:
            raise ValueError(f"memory_mb must hold one window of {self.window} frames")
        return self

    @property
    def window(self) -> int:
        """Frames that one prediction involves, 2 c + 1."""
        return 2 * self.context + 1


# for the built-in videos on two cores: seconds, one minute, ten minutes
SMOKE = FusionGANSettings(
    side=32, widths=(4, 8), discriminator_widths=(4, 8, 8, 8), context=2, frame_stride=4, steps=30, batch_size=2, lr=3e-3,
    discriminator_lr=3e-4, memory_mb=64, scoring_batch=32,
)  # fmt: skip
QUICK = FusionGANSettings(
    side=64, widths=(8, 16, 32, 64), discriminator_widths=(8, 16, 32, 64), context=2, frame_stride=2, steps=400, batch_size=2,
    lr=3e-3, discriminator_lr=3e-4, memory_mb=512, scoring_batch=16,
)  # fmt: skip
STANDARD = QUICK.replace(steps=3000, batch_size=4, lr=1e-3, discriminator_lr=1e-4, memory_mb=2048)
PRESETS: dict[str, FusionGANSettings] = {"smoke": SMOKE, "quick": QUICK, "standard": STANDARD, "paper": FusionGANSettings()}


# --- networks -----------------------------------------------------------------------------------------
class Level(nn.Module):
    """Convolution, residual block of three convolutions, convolution; all 3 x 3."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = _conv(channels, width)
        self.block = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width))
        self.last = _conv(width, width)
        nn.init.zeros_(self.block[-1].weight)  # the block starts as the identity: far fewer steps until frames are rebuilt

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        return self.last((x + self.block(x)).relu()).relu()


class ConvLSTM(nn.Module):
    """LSTM over maps. What the gates take from the inputs does not depend on the state and is computed once per frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_input = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.from_state = nn.Conv2d(width, 4 * width, 3, padding=1, bias=False)
        with torch.no_grad():
            self.from_input.bias[width : 2 * width] = 1  # open forget gates, as usual

    def forward(self, gates: Sequence[Tensor]) -> Tensor:
        """Last state (b, W, h, w) from what ``from_input`` made of the inputs, (b, 4W, h, w) each, in order."""
        hidden = cell = None
        for step in gates:
            total = step if hidden is None else step + self.from_state(hidden)
            enter, forget, leave, new = total.chunk(4, dim=1)
            added = enter.sigmoid() * new.tanh()
            cell = added if cell is None else forget.sigmoid() * cell + added
            hidden = leave.sigmoid() * cell.tanh()
        return hidden


class Encoded(NamedTuple):
    """What the generator knows of n single frames.

    Attributes:
        skips: float32 (n, widths[l], H / 2^l, W / 2^l) of every level but the last.
        forward_gates, backward_gates: float32 (n, 4 widths[-1], h, w), the inputs of the two LSTMs.
    """

    skips: tuple[Tensor, ...]
    forward_gates: Tensor
    backward_gates: Tensor

    def last(self, count: int) -> "Encoded":
        """The last frames only."""
        return Encoded(tuple(skip[-count:] for skip in self.skips), self.forward_gates[-count:], self.backward_gates[-count:])

    def joined(self, other: "Encoded") -> "Encoded":
        """These frames, then others."""
        skips = tuple(torch.cat(both) for both in zip(self.skips, other.skips))
        gates = (torch.cat([self[i], other[i]]) for i in (1, 2))
        return Encoded(skips, *gates)


class Generator(nn.Module):
    """Predicts a frame from c frames before and c frames after it.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: FusionGANSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.widths
        self.down = nn.ModuleList(Level(*pair) for pair in zip((settings.channels, *widths), widths))
        self.forwards, self.backwards = ConvLSTM(widths[-1]), ConvLSTM(widths[-1])
        self.fuse = nn.Conv2d(2 * widths[-1], widths[-1], 1)
        pairs = list(zip(widths[:0:-1], widths[-2::-1]))  # from the smallest map to the largest
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(*pair, 2, stride=2) for pair in pairs)
        self.up = nn.ModuleList(Level(width, width) for _, width in pairs)
        self.last = nn.Conv2d(widths[0], settings.channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # a sixth less time on a processor

    def forward(self, context: Tensor) -> Tensor:
        """Frames of context (b, 2c, C, H, W), in the order of time, to the frames in their middle (b, C, H, W)."""
        size, length = context.shape[:2]
        places = torch.arange(size * length, device=context.device).view(length, size).T
        return self.predict(self.encode(context.transpose(0, 1).flatten(0, 1)), places)

    def encode(self, frames: Tensor) -> Encoded:
        """Frames (n, C, H, W), each by itself."""
        skips = []
        for level in self.down[:-1]:
            skips.append(level(frames))
            frames = F.max_pool2d(skips[-1], 2)
        deepest = self.down[-1](frames)
        return Encoded(tuple(skips), self.forwards.from_input(deepest), self.backwards.from_input(deepest))

    def temporal(self, encoded: Encoded, places: Tensor) -> tuple[Tensor, Tensor]:
        """Last states of the LSTM from the first frame onwards, and of the one from the last frame backwards."""
        context = self.settings.context
        before, after = places[:, :context], places[:, context:].flip(1)
        onwards = self.forwards([encoded.forward_gates.index_select(0, place) for place in before.T])
        return onwards, self.backwards([encoded.backward_gates.index_select(0, place) for place in after.T])

    def predict(self, encoded: Encoded, places: Tensor) -> Tensor:
        """Predicted frames.

        Args:
            encoded: of n frames.
            places: int64 (b, 2c), which of them are the context of each predicted frame, in the order of time.

        Returns:
            float32 (b, C, H, W) in (-1, 1).
        """
        x = self.fuse(torch.cat(self.temporal(encoded, places), dim=1)).relu()
        # the frames next to the missing one; their mean treats both directions of time alike
        left, right = places[:, self.settings.context - 1], places[:, self.settings.context]
        for enlarge, level, skip in zip(self.enlarge, self.up, reversed(encoded.skips)):
            x = level(enlarge(x) + (skip.index_select(0, left) + skip.index_select(0, right)) / 2)
        return self.last(x).tanh()


class Discriminator(nn.Module):
    """Frames (b, C, H, W) to a map of scores of their patches (b, 1, h, w): 1 real, 0 predicted.

    Args:
        settings: frozen settings.
    """

    def __init__(self, settings: FusionGANSettings) -> None:
        super().__init__()
        widths = settings.discriminator_widths
        layers: list[nn.Module] = []
        for pair in zip((settings.channels, *widths), widths):
            layers += [nn.Conv2d(*pair, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        return self.layers(frames)


def _conv(channels: int, width: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, width, 3, padding=1)
    # without normalisation layers, torch's own start lets activations die out on the way through the levels
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    return conv


# --- losses -------------------------------------------------------------------------------------------
def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of frames in [-1, 1], a Gaussian window of 11 pixels (Wang et al. 2004).

    Args:
        a, b: float32 (n, C, H, W), at least 11 x 11 pixels.

    Returns:
        float32 scalar in [-1, 1], 1 for equal frames.
    """
    away = torch.arange(SSIM_WINDOW, dtype=a.dtype, device=a.device) - SSIM_WINDOW // 2
    window = (-(away**2) / (2 * SSIM_SIGMA**2)).exp()
    window = window / window.sum()
    a, b = a.flatten(0, 1), b.flatten(0, 1)
    maps = torch.stack([a, b, a * a, b * b, a * b]).flatten(0, 1)[:, None]
    maps = F.conv2d(F.conv2d(maps, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    mean_a, mean_b, square_a, square_b, product = maps.unflatten(0, (5, -1))
    c1, c2 = (SSIM_K1 * PIXEL_RANGE) ** 2, (SSIM_K2 * PIXEL_RANGE) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    spread = square_a - mean_a**2 + square_b - mean_b**2
    return (luminance * (2 * (product - mean_a * mean_b) + c2) / (spread + c2)).mean()


def gradient_difference(predicted: Tensor, real: Tensor) -> Tensor:
    """Mean difference of the sizes of the finite differences along both axes; frames (n, C, H, W) to a scalar.

    Example: a step of 1 that the prediction lacks, along one of the two axes.
        >>> real = torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None, None]
        >>> gradient_difference(torch.zeros_like(real), real)
        tensor(1.)
    """
    return sum((predicted.diff(dim=axis).abs() - real.diff(dim=axis).abs()).abs().mean() for axis in (2, 3))


def motion_difference(predicted: Tensor, real: Tensor, previous: Tensor) -> Tensor:
    """Mean difference of how much pixels change from the previous frame; in place of optical flow.

    Example: a pixel that should have changed by 1 and has changed by 0.25.
        >>> motion_difference(torch.tensor([0.25]), torch.tensor([1.0]), torch.tensor([0.0]))
        tensor(0.7500)
    """
    return ((predicted - previous).abs() - (real - previous).abs()).abs().mean()


def generator_terms(
    settings: FusionGANSettings, predicted: Tensor, real: Tensor, previous: Tensor, judged: Tensor | None
) -> dict[str, LossTerm]:
    """The generator's loss, term by term.

    Args:
        settings: the weights.
        predicted, real, previous: float32 (b, C, H, W) in [-1, 1].
        judged: the discriminator's map for ``predicted``, or None without adversarial term.
    """
    terms = {
        "intensity": LossTerm(F.mse_loss(predicted, real), settings.intensity_weight),
        "gradient": LossTerm(gradient_difference(predicted, real), settings.gradient_weight),
        "similarity": LossTerm(1 - ssim(predicted, real), settings.similarity_weight),
    }
    if settings.motion_weight:
        terms["motion"] = LossTerm(motion_difference(predicted, real, previous), settings.motion_weight)
    if judged is not None:
        terms["adversarial"] = LossTerm((judged - 1).square().mean() / 2, settings.adversarial_weight)
    return terms


def discriminator_loss(judged_real: Tensor, judged_predicted: Tensor) -> Tensor:
    """Least squares: real patches towards 1, predicted ones towards 0.

    Example: an undecided discriminator.
        >>> discriminator_loss(torch.full((2,), 0.5), torch.full((2,), 0.5))
        tensor(0.2500)
    """
    return ((judged_real - 1).square().mean() + judged_predicted.square().mean()) / 2


# --- frames -------------------------------------------------------------------------------------------
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
    folder, window = _video_folder(dataset), settings.window
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


def _video_folder(dataset: Dataset) -> Path:
    folder = dataset.folder / "videos"
    if not folder.is_dir():
        raise DataError(
            f"data set {dataset.name}: {TITLE} predicts the pixels of videos, but there is no folder {folder}; this row needs the "
            "videos themselves, features are not enough. Put them there or leave the row out."
        )
    return folder


def _network_input(frames: Tensor, device: str | torch.device) -> Tensor:
    return frames.to(device).float().div_(127.5).sub_(1)


# --- training -----------------------------------------------------------------------------------------
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
        window = _network_input(data.frames[places], device)
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


# --- scoring ------------------------------------------------------------------------------------------
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
    folder, settings = _video_folder(dataset), generator.settings
    scores = {}
    for record in tqdm(records, desc=NAME, unit="video", disable=None if progress else True, leave=False):
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
            frames = _network_input(torch.from_numpy(chunk), device)
            encoded = generator.encode(frames)
            known, pixels = (encoded, frames) if known is None else (known.joined(encoded), torch.cat([pixels, frames]))
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
        frame_stride: see above.

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

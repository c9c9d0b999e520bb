"""FusionNet+LSTM+GAN: settings and networks."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib.config import Settings


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


# For the built-in videos on two cores: seconds, and minutes. 1,000 steps in place of 400 learned no more; `quick` has a quarter of
# them for time alone.
SMOKE = FusionGANSettings(
    side=32, widths=(4, 8), discriminator_widths=(4, 8, 8, 8), context=2, frame_stride=4, steps=30, batch_size=2, lr=3e-3,
    discriminator_lr=3e-4, memory_mb=64, scoring_batch=32,
)  # fmt: skip

STUDY = FusionGANSettings(
    side=64, widths=(8, 16, 32, 64), discriminator_widths=(8, 16, 32, 64), context=2, frame_stride=2, steps=400, batch_size=2,
    lr=3e-3, discriminator_lr=3e-4, memory_mb=512, scoring_batch=16,
)  # fmt: skip

PRESETS: dict[str, FusionGANSettings] = {
    "smoke": SMOKE,
    "quick": STUDY.replace(steps=100),
    "study": STUDY,
    "paper": FusionGANSettings(),
}


class Level(nn.Module):
    """Convolution, residual block of three convolutions, convolution; all 3 x 3."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = _conv(channels, width)
        self.block = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width))
        self.last = _conv(width, width)
        nn.init.zeros_(self.block[-1].weight)  # type: ignore[arg-type]  # the block starts as the identity: far fewer steps until frames are rebuilt

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
            self.from_input.bias[width : 2 * width] = 1  # type: ignore[index]  # open forget gates, as usual

    def forward(self, gates: Sequence[Tensor]) -> Tensor:
        """Last state (b, W, h, w) from what ``from_input`` made of the inputs, (b, 4W, h, w) each, in order."""
        hidden = cell = None
        for step in gates:
            total = step if hidden is None else step + self.from_state(hidden)
            enter, forget, leave, new = total.chunk(4, dim=1)
            added = enter.sigmoid() * new.tanh()
            cell = added if cell is None else forget.sigmoid() * cell + added
            hidden = leave.sigmoid() * cell.tanh()
        assert hidden is not None  # a video has frames
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
        forward_gates = torch.cat([self.forward_gates, other.forward_gates])
        return Encoded(skips, forward_gates, torch.cat([self.backward_gates, other.backward_gates]))


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
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv

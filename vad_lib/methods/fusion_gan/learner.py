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
sees no label of an abnormal one; it has no bags, so it brings a learner of its own; and each video's scores
are stretched to [0, 1], so every video has a frame of score 1. False alarms on normal videos at a threshold of 0.5 mean
nothing for it, and neither does the level of a whole video.

Optical flow: such designs usually also compare flows, taken from a trained flow network, whose weights cannot be
counted on here; flow by OpenCV has no gradient. The motion term compares how much each pixel changes from the previous
frame instead. Generators of the default settings have 14,235,105 parameters, discriminators 2,759,105.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vad_lib.config import RunSettings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.dataset import Dataset
from vad_lib.losses import total_loss
from vad_lib.methods.base import Learner, MethodSpec
from vad_lib.methods.fusion_gan.frames import TrainingFrames, frames_to_input, training_frames
from vad_lib.methods.fusion_gan.losses import discriminator_loss, generator_terms
from vad_lib.methods.fusion_gan.networks import PRESETS, Discriminator, FusionGANSettings, Generator
from vad_lib.methods.fusion_gan.scoring import score_videos


class FusionGANLearner(Learner):
    """Trains generator and discriminator on the normal ones of some training videos; evaluated at its end only.

    Args:
        run: settings of the run; its options are those of :class:`FusionGANSettings`, its seed decides excerpts and batches.
        dataset: its folder holds the videos.
        fit: training videos; abnormal ones are left out.

    Attributes:
        generator: all that scoring needs.
        normal: the videos that it is trained on.
    """

    def __init__(self, run: RunSettings, dataset: Dataset, fit: Sequence[VideoRecord]) -> None:
        self.settings = settings = FusionGANSettings(**run.options)
        self.dataset, self.seed, self.device = dataset, run.train.seed, run.train.device
        self.normal = [record for record in fit if not dataset.videos.is_abnormal(record)]
        self.num_steps = self.eval_every = settings.steps
        self.generator, self.discriminator = Generator(settings).to(self.device), Discriminator(settings).to(self.device)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), lr=settings.lr, fused=True)
        self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=settings.discriminator_lr, fused=True)

    @cached_property
    def frames(self) -> TrainingFrames:
        """Frames of the normal videos; read when the first step needs them.

        Raises:
            DataError: the data set has no videos, or no normal one that is long enough; a video is damaged.
            MissingFileError: a video is missing.
        """
        return training_frames(self.dataset, self.normal, self.settings, self.seed, self.progress)

    def step(self, index: int) -> dict[str, float]:
        """Update the generator, then the discriminator, unless the adversarial weight is 0.

        Args:
            index: number of the step, counted from 0.

        Returns:
            ``loss``, ``loss/TERM`` and ``weight/TERM`` of the generator, and ``discriminator``, the other's loss.
        """
        settings, data = self.settings, self.frames
        drawn = np.random.default_rng([self.seed, index]).integers(len(data.starts), size=settings.batch_size)
        self.videos = tuple(sorted({data.videos[owner] for owner in data.owners[drawn]}))
        places = torch.from_numpy(data.starts[drawn, None] + np.arange(settings.window))
        window = frames_to_input(data.frames[places], self.device)  # (b, 2c + 1, C, H, W)
        before, real, after = window.tensor_split((settings.context, settings.context + 1), dim=1)
        real = real.squeeze(1)
        predicted = self.generator(torch.cat([before, after], dim=1))
        adversarial = settings.adversarial_weight > 0
        self.discriminator.requires_grad_(False)  # no gradients that nobody needs
        judged = self.discriminator(predicted) if adversarial else None
        terms = generator_terms(settings, predicted, real, before[:, -1], judged)
        loss = total_loss(terms)
        row = {"loss": loss.item()}
        _update(self.optimiser, loss)
        for name, term in terms.items():
            row |= {f"loss/{name}": term.value.item(), f"weight/{name}": float(term.weight)}
        if adversarial:
            self.discriminator.requires_grad_(True)
            judged_real, judged_predicted = self.discriminator(torch.cat([real, predicted.detach()])).chunk(2)
            loss_d = discriminator_loss(judged_real, judged_predicted)
            row["discriminator"] = loss_d.item()
            _update(self.discriminator_optimiser, loss_d)
        return row

    def snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        """Scores of whole frames, ``score`` float32 (T,) per video; there are no crops to choose from."""
        scores = score_videos(self.generator, self.dataset, records, self.device, self.progress)
        return {name: {"score": score} for name, score in scores.items()}

    def weights(self) -> dict[str, Tensor]:
        return self.generator.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.generator.load_state_dict(weights)

    def parts(self) -> dict[str, Any]:
        return {
            "discriminator": self.discriminator,
            "optimiser": self.optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.generator.parameters())


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


SPEC = MethodSpec(
    name="fusion-gan",
    title="FusionNet+LSTM+GAN (our stand-in)",
    paper="for Zhao, Yang, Xiang et al., 2025",
    idea="no labels and no features: predicts frames of normal videos and scores what it cannot predict",
    settings=FusionGANSettings,
    learner=FusionGANLearner,
    pixels=True,
    question="context",
    of_profile={profile: settings.model_dump(mode="json") for profile, settings in PRESETS.items()},
)

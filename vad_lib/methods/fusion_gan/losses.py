"""FusionNet+LSTM+GAN: SSIM and the terms of both losses."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vad_lib.losses import LossTerm
from vad_lib.methods.fusion_gan.networks import FusionGANSettings

SSIM_WINDOW, SSIM_SIGMA, SSIM_K1, SSIM_K2 = 11, 1.5, 0.01, 0.03  # Wang, Bovik, Sheikh and Simoncelli 2004

PIXEL_RANGE = 2.0  # of frames in [-1, 1]


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
    down, across = ((predicted.diff(dim=axis).abs() - real.diff(dim=axis).abs()).abs().mean() for axis in (2, 3))
    return down + across


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

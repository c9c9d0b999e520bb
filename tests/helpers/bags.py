"""Batches of random bags, and what holds for every method that takes crops apart."""

import torch

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods.base import Method


def random_bags(
    labels: tuple[float, ...], segments: int, lengths: tuple[int, ...] | None = None, crops: int = 1, width: int = 12
) -> Batch:
    """Bags with these labels, of two categories; ``lengths`` are their real segments."""
    video_labels = torch.tensor(labels, dtype=torch.float32)
    return Batch(
        torch.randn(len(labels), crops, segments, width),
        torch.arange(segments) < torch.tensor(lengths or (segments,) * len(labels))[:, None],
        video_labels,
        torch.stack([1 - video_labels, video_labels], dim=1),
        tuple(f"v{i}" for i in range(len(labels))),
    )


def assert_crops_are_samples(method: Method, data: Batch) -> None:
    """The loss of four videos with two crops is that of eight videos with one, in any order of the videos."""
    loss = total_loss(method.loss(method(data.features), data))
    apart = data._replace(
        features=data.features.transpose(0, 1).flatten(0, 1)[:, None],
        mask=data.mask.repeat(2, 1),
        video_labels=data.video_labels.repeat(2),
        category_targets=data.category_targets.repeat(2, 1),
    )
    torch.testing.assert_close(total_loss(method.loss(method(apart.features), apart)), loss)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Batch(*(field[order] for field in data[:4]), data.videos)
    torch.testing.assert_close(total_loss(method.loss(method(shuffled.features), shuffled)), loss)

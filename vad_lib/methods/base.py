"""The one interface of all methods, the proposed model included.

A method is an ``nn.Module`` built from a frozen settings object. ``forward(features, mask)`` never looks at
labels; ``loss(output, batch)`` does, and names every term, so that each can be logged and plotted. All
methods go through the same data set, training loop, scoring and metrics.

Shapes: B videos, N crops, T segments or snippets, D features, C categories.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.errors import DataError
from vad_lib.losses import LossTerm


class Method(nn.Module, ABC):
    """Base of all methods."""

    @abstractmethod
    def encode(self, features: Tensor) -> NamedTuple:
        """Per-sequence work on equally long sequences.

        Args:
            features: float32 (S, T, D), S sequences (videos x crops), all segments real.

        Returns:
            a named tuple of tensors, each with S first; those with a time axis have it second.
        """

    def forward(self, features: Tensor, mask: Tensor | None = None) -> NamedTuple:
        """Encode every crop of every video by itself; padding cannot change anything.

        Args:
            features: float32 (B, N, T, D).
            mask: bool (B, T), or None if every segment is real. Videos of different lengths go through
                :meth:`encode_uneven`.

        Returns:
            the named tuple of :meth:`encode`, its tensors shaped (B, N, ...).

        Raises:
            DataError: wrong number of axes, another feature width, NaN or infinity, or a mask whose real
                segments do not come first.
        """
        if features.dim() != 4:
            raise DataError(f"features: expected shape (videos, crops, segments, width), got {tuple(features.shape)}.")
        if not bool(features.sum().isfinite()):
            raise DataError("features: expected finite numbers, got NaN or infinity; check the feature files.")
        videos, crops, segments, width = features.shape
        if width != self.feature_dim:
            raise DataError(f"features: this model was built for width {self.feature_dim}, got {width}; build it for the data set.")
        if mask is None or bool(mask.all()):
            return self._unfold(self.encode(features.reshape(videos * crops, segments, width)), videos, crops)
        lengths = mask.sum(dim=1)
        if bool((mask != (torch.arange(segments, device=mask.device) < lengths[:, None])).any()) or bool((lengths == 0).any()):
            raise DataError("mask: real segments must come first and each video needs at least one; got a mask with holes.")
        return self.encode_uneven(features, mask)

    def encode_uneven(self, features: Tensor, mask: Tensor) -> NamedTuple:
        """Encode videos of different lengths: those of one length together, at this length, padded with zeros afterwards.

        A method that can leave padding out of account at less cost may do otherwise, with the same result.

        Args:
            features: float32 (B, N, T, D).
            mask: bool (B, T), real segments first, at least one in every video.

        Returns:
            the named tuple of :meth:`encode`, its tensors shaped (B, N, ...).
        """
        crops, width = features.shape[1], features.shape[3]
        lengths = mask.sum(dim=1)
        groups: list[tuple[Tensor, NamedTuple]] = []
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            sequences = features[rows, :, :length].reshape(len(rows) * crops, length, width)
            groups.append((rows, self._unfold(self.encode(sequences), len(rows), crops)))
        return _scatter(groups, *mask.shape)

    @staticmethod
    def _unfold(output: NamedTuple, videos: int, crops: int) -> NamedTuple:
        return type(output)(*(t.reshape(videos, crops, *t.shape[1:]) if isinstance(t, Tensor) else t for t in output))

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """Width D that the method was built for."""

    @abstractmethod
    def loss(self, output: NamedTuple, batch: Batch) -> dict[str, LossTerm]:
        """Named loss terms of a batch, labels included; their weighted sum is what training minimises."""

    @abstractmethod
    def scores(self, output: NamedTuple) -> dict[str, Tensor]:
        """Scores for evaluation, crops averaged after the sigmoid.

        Returns:
            at least ``score``, float32 (B, T) in [0, 1]; the proposed model adds ``visual`` and
            ``semantic`` (B, T) and ``alignment`` (B, T, C), cosines in [-1, 1].
        """

    def monitored(self) -> dict[str, float]:
        """Learnable scalars worth a curve (the gate weight w, temperatures); logged at every evaluation."""
        return {}

    def parameter_groups(self, weight_decay: float) -> list[dict]:
        """Parameter groups for the optimiser; a method may take scalars out of the weight decay."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "weight_decay": weight_decay}]


def _scatter(groups: list[tuple[Tensor, NamedTuple]], videos: int, segments: int) -> NamedTuple:
    kind = type(groups[0][1])
    fields = []
    for position, name in enumerate(kind._fields):
        first = groups[0][1][position]
        if not isinstance(first, Tensor):
            fields.append(first)
            continue
        timed = name not in getattr(kind, "WITHOUT_TIME", ())
        shape = (videos, first.shape[1], segments, *first.shape[3:]) if timed else (videos, *first.shape[1:])
        whole = first.new_zeros(shape)
        for rows, output in groups:
            value = output[position]
            if timed:
                padding = segments - value.shape[2]
                value = nn.functional.pad(value.movedim(2, -1), (0, padding)).movedim(-1, 2)
            whole = whole.index_copy(0, rows, value)
        fields.append(whole)
    return kind(*fields)


def usual_sizes(feature_dim: int, width: int) -> dict[str, int]:
    """Sizes of a method whose settings take both as they are."""
    return {"feature_dim": feature_dim, "width": width}


class MethodSpec(NamedTuple):
    """What a method's file says about it; :mod:`vad_lib.registry` collects them.

    Attributes:
        name: identifier in commands, run folders and notebooks.
        title: as tables print it.
        paper: authors, venue and year.
        idea: what it adds to multiple-instance learning, one sentence.
        settings: class of its settings.
        build: makes the method from its settings and, if ``needs_text``, the text features.
        needs_text: whether text features are used.
        sizes: settings that follow from the features' width D and the profile's width W.
        question: which of the three questions it answers anew: which segments stand for a video (``selection``), what is
            normal and what a segment sees (``context``), or what words add (``language``).
        builds_on: names of the methods whose ideas it changes, the first one first.
        without_clip: settings that change where the text features are not CLIP's.
        presets: settings that differ from the defaults on a public data set, by its name; for the sets that stand for it too.
        batches: training settings that the method cannot do without (``resampling``, ``crops``), whatever the recipe.
        published: training settings of its authors' code, for ``recipe="published"``.
    """

    name: str
    title: str
    paper: str
    idea: str
    settings: type[Settings]
    build: Callable[[Any, Any], Method]
    needs_text: bool = False
    sizes: Callable[[int, int], dict[str, Any]] = usual_sizes
    question: Literal["selection", "context", "language"] = "selection"
    builds_on: tuple[str, ...] = ()
    without_clip: Mapping[str, Any] = {}
    presets: Mapping[str, Mapping[str, Any]] = {}
    batches: Mapping[str, Any] = {}
    published: Mapping[str, Any] = {}

    @property
    def root(self) -> str:
        """Where :func:`vad_lib.runs.code_key.code_key` starts to find what decides the method's numbers."""
        return f"{self.settings.__module__}.SPEC"

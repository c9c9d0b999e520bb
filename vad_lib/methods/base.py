"""The interfaces of all methods, the proposed model included.

A :class:`Method` is an ``nn.Module`` built from a frozen settings object. ``forward(features, mask)`` never looks at
labels; ``loss(output, batch)`` does, and names every term, so that each can be logged and plotted. A :class:`Learner` is
what the training loop drives, step by step: all methods on bags share one, a method that takes something else brings its
own. All go through the same data set, loop, scoring and metrics. A :class:`MethodSpec` is a method's entry in the registry.

Shapes: B videos, N crops, T segments or snippets, D features, C categories.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vad_lib.config import RunSettings, Settings
from vad_lib.data.annotations import VideoRecord
from vad_lib.data.batches import Batch
from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.losses import LossTerm


class Method(nn.Module, ABC):
    """Base of all methods.

    Attributes:
        without_time: fields of the output whose tensors have no time axis.
        scalars: names of scalar parameters that steer the method; they may have a learning rate of their own, and their
            gradients are logged.
        late: names of terms of the loss that compare segments which the method itself chose. Its first choices are chance, so
            training may let these terms rise from 0 (``late_warmup`` of :class:`~vad_lib.config.TrainSettings`).
    """

    without_time: ClassVar[tuple[str, ...]] = ()
    scalars: ClassVar[tuple[str, ...]] = ()
    late: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def encode(self, features: Tensor) -> NamedTuple:
        """Per-sequence work on equally long sequences.

        Args:
            features: float32 (S, T, D), S sequences (videos x crops), all segments real.

        Returns:
            a named tuple of tensors, each with S first; all but those :attr:`without_time` have T second.
        """

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Any:
        """Encode every crop of every video by itself; padding cannot change anything.

        Args:
            features: float32 (B, N, T, D).
            mask: bool (B, T), or None if every segment is real. Videos of different lengths go through
                :meth:`encode_uneven`.

        Returns:
            the named tuple of :meth:`encode`, its tensors shaped (B, N, ...).

        Raises:
            DataError: wrong number of axes, another type or feature width, NaN or infinity, or a mask that is not bool (B, T) or
                whose real segments do not come first.
        """
        if features.dim() != 4:
            raise DataError(f"features: expected shape (videos, crops, segments, width), got {tuple(features.shape)}.")
        needed = next((parameter.dtype for parameter in self.parameters()), features.dtype)
        if features.dtype != needed:
            raise DataError(
                f"features: expected {needed} as the weights, got {features.dtype}; convert them with features.to({needed})."
            )
        # the sum is cheaper, but may overflow where all is finite
        if not bool(features.sum().isfinite()) and not bool(features.isfinite().all()):
            raise DataError("features: expected finite numbers, got NaN or infinity; check the feature files.")
        videos, crops, segments, width = features.shape
        if width != self.feature_dim:
            raise DataError(f"features: this model was built for width {self.feature_dim}, got {width}; build it for the data set.")
        if mask is not None and (mask.dtype != torch.bool or mask.shape != (videos, segments)):
            raise DataError(
                f"mask: expected bool of shape (videos, segments), {(videos, segments)}, got {mask.dtype} of {tuple(mask.shape)}; "
                "give one row for each video, all its crops share it."
            )
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
        return self._scatter(groups, *mask.shape)

    @staticmethod
    def _unfold(output: NamedTuple, videos: int, crops: int) -> NamedTuple:
        return output._make(t.reshape(videos, crops, *t.shape[1:]) if isinstance(t, Tensor) else t for t in output)

    def _scatter(self, groups: list[tuple[Tensor, NamedTuple]], videos: int, segments: int) -> NamedTuple:
        example, fields = groups[0][1], []
        for position, name in enumerate(example._fields):
            first = example[position]
            if not isinstance(first, Tensor):
                fields.append(first)
                continue
            timed = name not in self.without_time
            shape = (videos, first.shape[1], segments, *first.shape[3:]) if timed else (videos, *first.shape[1:])
            whole = first.new_zeros(shape)
            for rows, output in groups:
                value = output[position]
                if timed:
                    padding = segments - value.shape[2]
                    value = nn.functional.pad(value.movedim(2, -1), (0, padding)).movedim(-1, 2)
                whole = whole.index_copy(0, rows, value)
            fields.append(whole)
        return example._make(fields)

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """Width D that the method was built for."""

    @abstractmethod
    def loss(self, output: Any, batch: Batch) -> dict[str, LossTerm]:
        """Named loss terms of a batch, labels included; their weighted sum is what training minimises."""

    @abstractmethod
    def scores(self, output: Any) -> dict[str, Tensor]:
        """Scores for evaluation, crops averaged after the sigmoid.

        Returns:
            at least ``score``, float32 (B, T) in [0, 1]; the proposed model adds ``visual`` and
            ``semantic`` (B, T) and ``alignment`` (B, T, C), cosines in [-1, 1].
        """

    def weights_changed(self) -> None:
        """Hear that the weights were changed from outside, as the running mean's are after each step."""

    def monitored(self) -> dict[str, float]:
        """Learnable scalars worth a curve (the gate weight w, temperatures); logged at every evaluation."""
        return {}

    def parameter_groups(self, weight_decay: float) -> list[dict]:
        """Parameter groups for the optimiser; a method may take scalars out of the weight decay."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "weight_decay": weight_decay}]


def check_text_features(text_features: Tensor) -> None:
    """Raise unless there is one finite row for each category, the normal one among at least two.

    Args:
        text_features: float (C, D_t).

    Raises:
        DataError: another shape, fewer than two categories, NaN or infinity.
    """
    if text_features.dim() != 2 or len(text_features) < 2 or not bool(text_features.isfinite().all()):
        raise DataError(
            f"text features: expected finite numbers of shape (categories, width) with two categories or more, got shape "
            f"{tuple(text_features.shape)}; make them with prompts.text_features."
        )


def check_categories(batch: Batch, text_features: Tensor) -> None:
    """Raise unless a batch has a target for each category of a model's text features.

    Args:
        batch: with category targets (B, C).
        text_features: (C, D_t).

    Raises:
        DataError: the numbers of categories differ.
    """
    if batch.category_targets.shape[1] != len(text_features):
        raise DataError(
            f"category_targets: this model has text features of {len(text_features)} categories, the batch has "
            f"{batch.category_targets.shape[1]}; build it with the text features of this data set."
        )


def usual_sizes(feature_dim: int, width: int) -> dict[str, int]:
    """Sizes of a method whose settings take both as they are."""
    return {"feature_dim": feature_dim, "width": width}


class Learner(ABC):
    """What the training loop drives: it learns in steps, scores videos, and hands out its weights.

    Attributes:
        num_steps: steps of its training.
        eval_every: steps between two evaluations; the last step is always evaluated.
        num_crops: crops that it can score one by one; 1 if it does not take crops of features.
        videos: names of the training videos that the last step saw, for messages.
        progress: whether it may show progress bars of its own on a terminal.
    """

    num_steps: int
    eval_every: int
    num_crops: int = 1
    videos: tuple[str, ...] = ()
    progress: bool = False

    @abstractmethod
    def step(self, index: int) -> dict[str, float]:
        """Learn once.

        Args:
            index: number of the step, counted from 0; together with the state it decides everything that happens.

        Returns:
            a row of the log: ``loss``, and where they exist ``lr``, ``loss/TERM`` and ``weight/TERM``.
        """

    @abstractmethod
    def snippet_scores(self, records: Sequence[VideoRecord], crop: int | None = None) -> dict[str, dict[str, np.ndarray]]:
        """Score every snippet of some videos.

        Args:
            records: the videos.
            crop: place of the only crop to score, below ``num_crops``; None for the mean over all crops.

        Returns:
            per video, in the order of ``records``: ``score``, float32 (T,) in [0, 1]; where the method has them, ``visual``
            and ``semantic`` (T,) in [0, 1] and ``alignment`` (T, C), cosines in [-1, 1].
        """

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Weights that decide the scores, by name; the tensors go on changing while it learns."""

    @abstractmethod
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights that :meth:`weights` gave."""

    def parts(self) -> dict[str, Any]:
        """What the next step depends on beside the weights, by name: optimisers and whatever else has a ``state_dict``."""
        return {}

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, in dictionaries and lists of tensors, numbers and strings; for checkpoints."""
        return {"weights": self.weights(), "parts": {name: part.state_dict() for name, part in self.parts().items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.load_weights(state["weights"])
        for name, part in self.parts().items():
            part.load_state_dict(state["parts"][name])

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """Numbers that training may move and that decide the scores."""

    @property
    def temperature(self) -> float | None:
        """Divisor of the cosines in ``alignment`` before the softmax over categories; None without alignment maps."""
        return None

    def monitored(self) -> dict[str, float]:
        """Learnable scalars worth a curve; logged at every evaluation."""
        return {}

    def evaluated(self, validation: Mapping[str, float]) -> None:  # noqa: B027  (few learners need to know)
        """Hear of an evaluation: video-level ``auc`` and ``bce`` (nats) on the held-out training videos."""


class MethodSpec(NamedTuple):
    """What a method's file says about it; :mod:`vad_lib.registry` collects them.

    Attributes:
        name: identifier in commands, run folders and notebooks.
        title: as tables print it.
        paper: authors, venue and year; empty for a yardstick or a ceiling, which no paper of the comparison proposes.
        idea: what it adds to multiple-instance learning, one sentence.
        settings: class of its settings.
        build: for a method on bags: makes it from its settings and, if ``needs_text``, the text features.
        learner: for any other method: makes its learner from the settings of a run, a data set and the videos to learn from.
        pixels: True if it needs the videos themselves; features are not enough.
        needs_text: whether text features are used.
        sizes: settings that follow from the features' width D and the profile's width W.
        question: which of the three questions it answers anew: which segments stand for a video (``selection``), what is
            normal and what a segment sees (``context``), or what words add (``language``).
        builds_on: names of the methods whose ideas it changes, the first one first.
        without_clip: settings that change where the text features are not CLIP's.
        of_profile: settings that differ from the defaults in a profile, by its name.
        presets: settings that differ from the defaults on a public data set, by its name; for the sets that stand for it too.
        batches: training settings (``segmenting``, ``crops``, ``categories``) that the method needs, whatever the recipe.
        published: training settings of its authors' code, for ``recipe="published"``.
        published_on: those that differ on a public data set, by its name; for the sets that stand for it too.
    """

    name: str
    title: str
    paper: str
    idea: str
    settings: type[Settings]
    build: Callable[[Any, Any], Method] | None = None
    learner: Callable[[RunSettings, Dataset, Sequence[VideoRecord]], Learner] | None = None
    pixels: bool = False
    needs_text: bool = False
    sizes: Callable[[int, int], dict[str, Any]] = usual_sizes
    question: Literal["selection", "context", "language"] = "selection"
    builds_on: tuple[str, ...] = ()
    without_clip: Mapping[str, Any] = {}
    of_profile: Mapping[str, Mapping[str, Any]] = {}
    presets: Mapping[str, Mapping[str, Any]] = {}
    batches: Mapping[str, Any] = {}
    published: Mapping[str, Any] = {}
    published_on: Mapping[str, Mapping[str, Any]] = {}

    @property
    def on_bags(self) -> bool:
        """Whether it is a :class:`Method`, which takes bags of features and can be built without a run."""
        return self.build is not None

    @property
    def root(self) -> str:
        """Where :func:`vad_lib.runs.code_key.code_key` starts to find what decides the method's numbers."""
        return f"{(self.learner or self.settings).__module__}.SPEC"

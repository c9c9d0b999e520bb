"""Small and fast: what the paper leaves to future work, for methods that are trained already.

* :func:`export_onnx` writes a method as one ONNX file, :class:`OnnxScorer` runs it, and :func:`quantise` turns its
  weights into 8-bit integers;
* :func:`pruned` sets the smallest weights to zero;
* :func:`distil` trains a student of at most a tenth of the parameters with the proposed model as its teacher;
* :class:`StreamingScorer` scores a stream snippet by snippet with a method that was built with ``context="causal"``.

All but the last give a :class:`~vad_lib.method.Method` or its run folder, so scoring, metrics, tables and figures take them
as they are. A stream has no end; its scorer has a call of its own.

Shapes: S sequences (videos x crops), N crops, T snippets, D features, C categories.
"""

import copy
import json
import logging
import math
import tempfile
from collections import namedtuple
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import prune

from vad_lib.causal import Causal
from vad_lib.config import Settings, TrainSettings
from vad_lib.datasets import Dataset
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.files import atomic_path
from vad_lib.method import Batch, LossTerm, Method
from vad_lib.model import Proposed, ProposedOutput, ProposedSettings
from vad_lib.prompts import TextFeatures
from vad_lib.provenance import code_hash
from vad_lib.training import RunSettings, load_model, train_run

CHECKED = ((1, 1), (2, 3), (1, 8), (3, 70), (1, 300))  # sequences and snippets with which a file is compared
TOLERANCE = 1e-4  # of scores and cosines
INPUT = "features"
_UNREADABLE = (
    *(onnx_errors.Fail, onnx_errors.InvalidGraph, onnx_errors.InvalidProtobuf, onnx_errors.InvalidArgument),
    *(onnx_errors.NotImplemented, onnx_errors.RuntimeException),
)


# --- ONNX -----------------------------------------------------------------------------------------------


class _Scores(nn.Module):
    """A method as a function of tensors: features (S, T, D) -> the arrays of ``scores``, each sequence by itself."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def named(self, features: Tensor) -> dict[str, Tensor]:
        output = self.method.encode(features)
        lone_crops = (field[:, None] if isinstance(field, Tensor) else field for field in output)
        return self.method.scores(type(output)(*lone_crops))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.named(features).values())


def export_onnx(method: Method, path: Path | str, *, about: Mapping[str, Any] | None = None) -> Path:
    """Write a trained method as an ONNX file that needs nothing of this library.

    Its input ``features`` is float32 (S, T, D) with any S and T; its outputs are the arrays of :meth:`Method.scores`,
    float32 (S, T) or (S, T, C), of every sequence by itself: the mean over a video's crops is the caller's. The file is
    compared with the method at several sizes before it takes its place.

    Args:
        method: trained; what is written is its evaluation mode.
        path: of the file, ``.onnx``.
        about: kept in the file as JSON, e.g. the content of a run's ``config.json``.

    Raises:
        ConfigError: the method does something that ONNX cannot express for any S and T, or the file's scores differ
            from the method's by more than 1e-4.
        OutputError: the file cannot be written.
    """
    path, name = Path(path), type(method).__name__
    plain = _Scores(copy.deepcopy(method).cpu()).eval()
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(2, 9, method.feature_dim, generator=generator)
    with torch.inference_mode():
        names = list(plain.named(example))
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quiet("onnxscript"):
            program = torch.onnx.export(
                plain, (example,), input_names=[INPUT], output_names=names, dynamic_shapes=(any_size,), dynamo=True, verbose=False
            )
    except torch.onnx.OnnxExporterError as error:
        reason = next(filter(None, str(error.__cause__ or error).splitlines()), type(error).__name__)
        raise ConfigError(
            f"{name}: expected a method that torch.export can follow for any number of sequences and snippets, but {reason} "
            "Score it with PyTorch, or export another method."
        ) from error
    program.model.metadata_props["about"] = json.dumps(dict(about or {}))
    if hasattr(method, "temperature"):
        program.model.metadata_props["temperature"] = repr(method.temperature.item())
    with atomic_path(path) as temporary:
        program.save(temporary, external_data=False)
        _check(OnnxScorer(temporary), plain, name, generator)
    return path


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library from warning of every node that it leaves as it is."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check(scorer: "OnnxScorer", plain: _Scores, name: str, generator: torch.Generator) -> None:
    with torch.inference_mode():
        for sequences, snippets in CHECKED:
            features = torch.randn(sequences, snippets, scorer.feature_dim, generator=generator)
            found = scorer.encode(features)
            for key, expected in plain.named(features).items():
                difference = (getattr(found, key) - expected).abs().max().item()
                if not difference <= TOLERANCE:
                    raise ConfigError(
                        f"{name}: {key} of {sequences} sequences of {snippets} snippets differs by {difference:.2g} between "
                        f"PyTorch and the ONNX file, expected {TOLERANCE} at most. Nothing was written; score it with PyTorch."
                    )


class OnnxScorer(Method):
    """An exported method, run by onnxruntime on the CPU; it can score, not learn.

    Args:
        path: file of :func:`export_onnx` or :func:`quantise`.
        threads: that onnxruntime may use.

    Attributes:
        about: what was kept in the file.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is damaged or none of :func:`export_onnx`.
    """

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        super().__init__()
        if not Path(path).is_file():
            raise MissingFileError(f"{path}: expected an ONNX file, found none; deploy.export_onnx writes one.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: expected an ONNX file of deploy.export_onnx ({reason}); export the method again.") from error
        inputs, kept = self.session.get_inputs(), self.session.get_modelmeta().custom_metadata_map
        if [entry.name for entry in inputs] != [INPUT] or len(inputs[0].shape) != 3 or "about" not in kept:
            raise DataError(f"{path}: expected an ONNX file of deploy.export_onnx, got another one; export the method again.")
        self.about = json.loads(kept["about"])
        self._width = inputs[0].shape[2]
        self._output = namedtuple("OnnxOutput", [entry.name for entry in self.session.get_outputs()])
        if "temperature" in kept:
            self.register_buffer("temperature", torch.tensor(float(kept["temperature"])))

    @property
    def feature_dim(self) -> int:
        return self._width

    def encode(self, features: Tensor) -> NamedTuple:
        arrays = self.session.run(None, {INPUT: features.detach().cpu().numpy()})
        return self._output(*map(torch.from_numpy, arrays))

    def scores(self, output: NamedTuple) -> dict[str, Tensor]:
        return {name: field.mean(dim=1) for name, field in output._asdict().items()}

    def loss(self, output: NamedTuple, batch: Batch) -> NoReturn:
        raise ConfigError("an exported method scores and cannot be trained; train the run it came from.")


def quantise(source: Path | str, target: Path | str) -> Path:
    """Turn the weight matrices of an ONNX file into 8-bit integers; activations follow snippet by snippet as they come.

    What depends on weights only is multiplied out first, so that every product with a weight has one matrix to quantise,
    each column with a scale of its own. Weights take seven bits: the full range can overflow on processors without
    VNNI, and the file shall score alike everywhere.

    Args:
        source: file of :func:`export_onnx`.
        target: file to write; :class:`OnnxScorer` runs it. Its scores are near the source's, how near must be measured.

    Raises:
        MissingFileError, DataError: as :class:`OnnxScorer`.
        OutputError: the file cannot be written.
    """
    target = Path(target)
    OnnxScorer(source)
    with tempfile.TemporaryDirectory() as folder, atomic_path(target) as temporary:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(source, folded, skip_symbolic_shape=True)
        quantize_dynamic(folded, temporary, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    return target


# --- pruning --------------------------------------------------------------------------------------------


def pruned(method: Method, share: float) -> Method:
    """A copy whose smallest weights are zero, chosen over all linear layers and convolutions together.

    Biases, normalisations, memories and text stay. Zeros make nothing faster in dense products; they pack well.

    Args:
        method: trained.
        share: of the weights to set to zero, in [0, 1).

    Returns:
        the copy, in evaluation mode; the zeros are part of its weights.

    Raises:
        ConfigError: ``share`` is out of range.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"share of weights to prune: expected a number in [0, 1), got {share}.")
    copied = copy.deepcopy(method).eval()
    weights = [(layer, "weight") for layer in copied.modules() if isinstance(layer, nn.Linear | nn.Conv1d)]
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=float(share))
    for layer, name in weights:
        prune.remove(layer, name)
    return copied


# --- distillation ---------------------------------------------------------------------------------------


class DistilSettings(Settings):
    """How a student learns from its teacher."""

    share: float = Field(0.1, gt=0, lt=1, description="parameters of the student, at most, in parts of the teacher's")
    width: int | None = Field(None, ge=16, description="encoder width of the student; None for the largest that fits")
    score_weight: float = Field(1.0, ge=0, description="of the term for the teacher's fused scores")
    alignment_weight: float = Field(1.0, ge=0, description="of the term for the teacher's categories")


class Student(Proposed):
    """The proposed model with two more terms in its loss, which hold its segments to those of a teacher.

    ``distil_score`` is the Kullback-Leibler divergence of the fused scores, each a coin; ``distil_alignment`` that of the
    softmax over categories of cosines by temperature. Both are means over real segments, in nats, and 0 where student
    and teacher agree. The teacher is no part of the module: it neither learns nor is saved.

    Args:
        settings: of the student.
        text: of both, as in :class:`~vad_lib.model.Proposed`.
        teacher: trained, in evaluation mode, on the device of the batches.
        distillation: weights of the two terms.
    """

    def __init__(self, settings: ProposedSettings, text: Tensor, teacher: Proposed, distillation: DistilSettings) -> None:
        super().__init__(settings, text)
        self._teach = teacher.forward  # not the module, which would become a child
        self._teacher_temperature = teacher.temperature.detach()
        self._distillation = distillation

    def loss(self, output: ProposedOutput, batch: Batch) -> dict[str, LossTerm]:
        with torch.no_grad():
            wanted: ProposedOutput = self._teach(batch.features, batch.mask)
        real = batch.mask[:, None].expand_as(output.fused)
        given, found = wanted.fused[real].clamp(0, 1), output.fused[real].clamp(0, 1)
        entropy = F.binary_cross_entropy(given, given)
        categories = (wanted.alignment[real] / self._teacher_temperature).log_softmax(dim=-1)
        guesses = (output.alignment[real] / self.temperature).log_softmax(dim=-1)
        return super().loss(output, batch) | {
            "distil_score": LossTerm(F.binary_cross_entropy(found, given) - entropy, self._distillation.score_weight),
            "distil_alignment": LossTerm(
                F.kl_div(guesses, categories, reduction="batchmean", log_target=True), self._distillation.alignment_weight
            ),
        }


def parameter_count(method: Method) -> int:
    """Numbers that training may move."""
    return sum(parameter.numel() for parameter in method.parameters())


def student_settings(teacher: Proposed, distillation: DistilSettings) -> ProposedSettings:
    """The teacher's settings with the student's width.

    Raises:
        ConfigError: the student would have more parameters than its share; says what the smallest has.
    """
    allowed = distillation.share * parameter_count(teacher)
    step = math.lcm(8, 2 * teacher.settings.heads)
    fitting, smallest = None, 0
    widths = range(step * -(-16 // step), teacher.settings.width, step) if distillation.width is None else (distillation.width,)
    for width in widths:
        settings = teacher.settings.replace(width=width)
        with torch.device("meta"):
            count = parameter_count(Proposed(settings, teacher.text.cpu()))
        smallest = smallest or count
        if count > allowed:
            break
        fitting = settings
    if fitting is None:
        raise ConfigError(
            f"student: expected {allowed:,.0f} parameters at most ({distillation.share:.0%} of the teacher's), but one of width "
            f"{next(iter(widths), 16)} has {smallest:,}; choose a larger share or a smaller width."
        )
    return fitting


def distil(
    teacher_run: Path | str,
    dataset: Dataset,
    text: TextFeatures,
    folder: Path,
    distillation: DistilSettings | None = None,
    *,
    progress: bool = True,
) -> bool:
    """Train a student of the proposed model and write its run folder, as :func:`~vad_lib.training.train_run` does.

    The student is the proposed model with a narrower encoder. It sees the batches of the teacher's training, labels
    included, for as many steps; its loss has two terms more (:class:`Student`). The folder is one of the method
    ``proposed``: it needs no teacher to be loaded.

    Args:
        teacher_run: folder of a finished run of the proposed model.
        dataset: that the teacher was trained on.
        text: text features of both.
        folder: the student's run folder.
        distillation: size and weights.
        progress: show a progress bar on a terminal.

    Returns:
        True if it trained, False if the finished run was already there.

    Raises:
        MissingFileError, DataError: as :func:`~vad_lib.training.load_model`; features or text other than the teacher's.
        ConfigError: the teacher is another method, or the student does not fit its share.
    """
    distillation = distillation or DistilSettings()
    teacher, config = load_model(teacher_run)
    if not isinstance(teacher, Proposed):
        raise ConfigError(f"{teacher_run}: expected a run of the proposed model as teacher, got one of {config['method']}.")
    if config["features"]["content_hash"] != dataset.store.content_hash or not np.array_equal(teacher.text.numpy(), text.values):
        raise DataError(
            f"{teacher_run}: the teacher was trained on other features or text features than those of {dataset.name} given here; "
            "train it again on these."
        )
    settings = student_settings(teacher, distillation)
    run = RunSettings(
        variant="proposed-student",
        method="proposed",
        title=f"{config['title']}, student",
        options=config["options"],
        width=settings.width,
        profile=config["profile"],
        declared=tuple(config["declared"]),
        train=TrainSettings(**config["train"]),
    )
    teacher.to(run.train.device)
    origin = {"teacher": config["key"], "distillation": distillation.model_dump(mode="json"), "code": code_hash("deploy")}

    def build(*_: Any, **__: Any) -> Student:
        return Student(settings, torch.tensor(text.values), teacher, distillation)

    return train_run(run, dataset, text, folder, progress=progress, build=build, origin=origin)


# --- streams --------------------------------------------------------------------------------------------


class StreamingScorer:
    """Scores of a stream as it comes, the same as those of the whole at once.

    Memory and time per snippet do not grow: attention keeps its last snippets (``lookback``), the convolutions their
    last eight, the context a mean. Several streams may share one method, each with a scorer of its own, but not from
    several threads at a time. After its weights have changed a stream must be reset.

    Args:
        method: MSF-DMU or the proposed model with ``context="causal"``; put into evaluation mode.

    Raises:
        ConfigError: the method sees what comes later.
    """

    def __init__(self, method: Method) -> None:
        self._blocks = [module for module in method.modules() if isinstance(module, Causal)]
        if not self._blocks:
            raise ConfigError(
                f"{type(method).__name__}: expected a method that sees nothing later, e.g. msf-dmu or proposed with "
                "context='causal'; train one with this option."
            )
        self._method = method.eval()
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the next snippet is the first of another one."""
        self._pasts: list[dict[str, Any]] = [{} for _ in self._blocks]
        self._crops: int | None = None

    @property
    def state_bytes(self) -> int:
        """Size of what is kept of the stream; constant once the lookback is full."""
        kept = (value for past in self._pasts for value in past.values() if isinstance(value, Tensor))
        return sum(tensor.untyped_storage().nbytes() for tensor in kept)

    def push(self, features: Tensor | np.ndarray) -> dict[str, np.ndarray]:
        """Score the next snippets.

        Args:
            features: float (N, T, D); T is 1 if every snippet is to be scored at once. The first call decides N.

        Returns:
            the arrays that :func:`~vad_lib.scoring.snippet_scores` gives for a video: ``score`` float32 (T,) and so on.

        Raises:
            DataError: another shape, or NaN or infinity; the stream is as it was before.
        """
        place = next(self._method.parameters()).device
        features = torch.as_tensor(features, dtype=torch.float32, device=place)
        if features.dim() != 3 or not features.numel() or self._crops not in (None, len(features)):
            raise DataError(
                f"stream: expected features of shape ({self._crops or 'crops'}, snippets, {self._method.feature_dim}), got "
                f"{tuple(features.shape)}; reset() starts another stream."
            )
        with torch.inference_mode():
            for block, past in zip(self._blocks, self._pasts):
                block.past = past
            try:
                scores = self._method.scores(self._method(features[None]))
            finally:
                for block in self._blocks:
                    block.past = None
        self._crops = len(features)
        return {name: value[0].cpu().numpy() for name, value in scores.items()}

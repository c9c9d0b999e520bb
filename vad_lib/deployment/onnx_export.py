"""Small and fast: what the paper leaves to future work, for methods that are trained already.

* :func:`export_onnx` writes a method as one ONNX file, :class:`OnnxScorer` runs it, and :func:`quantise` turns its
  weights into 8-bit integers;
* :func:`pruned` sets the smallest weights to zero;
* :func:`distil` trains a student of at most a tenth of the parameters with the proposed model as its teacher;
* :class:`StreamingScorer` scores a stream snippet by snippet with a method that was built with ``context="causal"``.

All but the last give a :class:`~vad_lib.methods.base.Method` or its run folder, so scoring, metrics, tables and figures take them
as they are. A stream has no end; its scorer has a call of its own.

Shapes: S sequences (videos x crops), N crops, T snippets, D features, C categories.
"""

import copy
import json
import logging
import tempfile
from collections import namedtuple
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from vad_lib.data.batches import Batch
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.methods.base import Method
from vad_lib.methods.fast_cpu import use_plain_forms
from vad_lib.storage.writing import atomic_path

CHECKED = ((1, 1), (2, 3), (1, 8), (3, 70), (1, 300))  # sequences and snippets with which a file is compared

TOLERANCE = 1e-4  # of scores and cosines

INPUT = "features"

_UNREADABLE = (
    *(onnx_errors.Fail, onnx_errors.InvalidGraph, onnx_errors.InvalidProtobuf, onnx_errors.InvalidArgument),
    *(onnx_errors.NotImplemented, onnx_errors.RuntimeException),
)


class _Scores(nn.Module):
    """A method as a function of tensors: features (S, T, D) -> the arrays of ``scores``, each sequence by itself."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def named(self, features: Tensor) -> dict[str, Tensor]:
        output = self.method.encode(features)
        lone_crops = (field[:, None] if isinstance(field, Tensor) else field for field in output)
        return self.method.scores(output._make(lone_crops))

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
    path = Path(path)
    method = use_plain_forms(copy.deepcopy(method).cpu()).eval()
    name, plain = type(method).__name__, _Scores(method).eval()
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
    assert program is not None  # torch has a program for every export with dynamo
    program.model.metadata_props["about"] = json.dumps(dict(about or {}))
    temperature = getattr(method, "temperature", None)
    if temperature is not None:
        program.model.metadata_props["temperature"] = repr(temperature.item())
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
        self._output: Any = namedtuple("OnnxOutput", [entry.name for entry in self.session.get_outputs()])  # type: ignore[misc]
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

"""A trained model to score features with, wherever it is kept: shipped with the library, in a run folder, or exported.

    model = open_model("fights")
    model.scores(features)["score"]

Shapes: T snippets, N crops, D features, K categories.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vad_lib.data.feature_store import FeatureContract
from vad_lib.deployment import shipped
from vad_lib.deployment.streaming import StreamingScorer, crops_first
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.methods.base import Method
from vad_lib.methods.causal import Causal
from vad_lib.runs.trained_model import load_model

TOKENS = 2048  # snippets x crops in one forward pass of a causal model, and of crops that fit together


class ScoringModel:
    """A trained model that scores snippets; made by :func:`open_model`.

    Args:
        method: trained, on ``device``, in evaluation mode.
        config: of its run: ``title``, ``categories`` and ``features`` are used; ``threshold`` if it is there.
        source: where the model is kept, for messages.
        device: of torch.

    Attributes:
        source: where the model is kept.
        title: name for pages and figures.
        categories: K names, the normal one first.
        contract: of the features that it takes.
        causal: True if no score depends on what comes later, and :meth:`stream` works.
        temperature: divisor of the cosines in ``alignment`` before a softmax over categories; None without alignment.
        threshold: score from which a snippet counts as abnormal, as the model's training suggests it; None where none is known.

    Raises:
        DataError: the settings lack an entry, or features and method do not fit each other.
    """

    def __init__(self, method: Method, config: Mapping[str, Any], source: str, device: str = "cpu") -> None:
        self._method, self.source, self._device = method, source, device
        try:
            self.title, self.categories = str(config["title"]), tuple(map(str, config["categories"]))
            self.contract = FeatureContract(**{name: value for name, value in config["features"].items() if name != "content_hash"})
        except (KeyError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(
                f"{source}: expected the settings of a run (title, categories, features), but {error!r} is missing or wrong; "
                "train the model again, or export it with the content of its run's config.json as 'about'."
            ) from error
        if self.contract.dimension != method.feature_dim:
            raise DataError(
                f"{source}: the model takes features of width {method.feature_dim}, its settings say {self.contract.dimension}; "
                "train it again, or export it again."
            )
        self.causal = any(isinstance(module, Causal) for module in method.modules())
        found = getattr(method, "temperature", None)
        self.temperature: float | None = None if found is None else found.item()
        self.threshold: float | None = config.get("threshold")

    def scores(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Score every snippet of one video.

        Memory beside features and scores does not grow with T for a causal model. Any other sees the whole video at once:
        one crop at a time if the video is long, with some kilobytes a snippet.

        Args:
            features: float (T, N, D), T and N at least 1, as :attr:`contract` describes them.

        Returns:
            ``score`` float32 (T,) in [0, 1]; where the method has them, ``visual`` and ``semantic`` float32 (T,) in [0, 1] and
            ``alignment`` float32 (T, K), cosines in [-1, 1]. Means over crops.

        Raises:
            DataError: another shape, another width, NaN or infinity.
        """
        self._check(features)
        with torch.inference_mode():
            return self._by_time(features) if self.causal else self._by_crops(features)

    def probabilities(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """float64 (..., K), of each category: softmax of the cosines over the temperature; None where the method has none.

        Args:
            arrays: of :meth:`scores`, or of one snippet.
        """
        if "alignment" not in arrays:
            return None
        cosines = torch.from_numpy(arrays["alignment"].astype(np.float64)) / (self.temperature or 1.0)
        return cosines.softmax(dim=-1).numpy()

    def stream(self) -> StreamingScorer:
        """Score snippets as they come.

        Raises:
            ConfigError: the model sees what comes later.
        """
        if not self.causal:
            causal = ", ".join(name for name in shipped.names() if shipped.is_causal(name))
            raise ConfigError(
                f"{self.source}: expected a model that sees nothing later, to score a stream as it comes; choose a shipped one "
                f"({causal}), or the folder of a run trained with context='causal'. Exported files score whole videos only."
            )
        return StreamingScorer(self._method)

    def _check(self, features: np.ndarray) -> None:
        shape = np.shape(features)
        if len(shape) != 3 or not all(shape) or shape[2] != self._method.feature_dim or np.asarray(features).dtype.kind != "f":
            kind = np.asarray(features).dtype
            raise DataError(
                f"{self.source}: expected float features of shape (snippets, crops, {self._method.feature_dim}) with at least one "
                f"snippet and crop, got {kind} {shape}; extract them as the model's contract says."
            )

    def _by_time(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Piece by piece, as a stream."""
        stream, step = StreamingScorer(self._method), max(1, TOKENS // features.shape[1])
        parts = [stream.push(features[start : start + step]) for start in range(0, len(features), step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _by_crops(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """The whole video at once, as many crops together as are short enough; the mean is put together from theirs."""
        crops, step = features.shape[1], max(1, TOKENS // len(features))
        sums: dict[str, Tensor] = {}
        for start in range(0, crops, step):
            chunk = torch.from_numpy(crops_first(np.asarray(features[:, start : start + step]))).to(self._device)
            for name, value in self._method.scores(self._method(chunk[None])).items():
                part = value[0].float() * (len(chunk) / crops)
                sums[name] = sums[name] + part if name in sums else part
        return {name: value.cpu().numpy() for name, value in sums.items()}


def open_model(source: Path | str, device: str = "cpu") -> ScoringModel:
    """Open a trained model.

    Args:
        source: name of a shipped model (:func:`vad_lib.deployment.shipped.names`); the folder of a finished run; or a file of
            :func:`vad_lib.deployment.onnx_export.export_onnx`, which must hold its run's settings. A name without a folder
            before it is a shipped model's if there is one; write ``./NAME`` for a folder of the same name.
        device: of torch. Exported files are scored on the CPU whatever it is.

    Raises:
        MissingFileError: no such model; the message lists the shipped ones.
        DataError: a file is damaged or has been changed.
        ConfigError: a run of a method that takes no features, or an exported file without the extra ``deploy``.
    """
    place = Path(source)
    if isinstance(source, str) and source in shipped.names():
        return ScoringModel(*_to(device, *shipped.load(source, fast_cpu=device == "cpu")), source, device)
    if place.suffix.lower() == ".onnx":
        return _open_onnx(place)
    if not place.is_dir():
        raise MissingFileError(
            f"model {source}: expected a shipped model ({', '.join(shipped.names())}), the folder of a finished run or an .onnx "
            "file, found none of them; correct the name or the path."
        )
    return ScoringModel(*_to(device, *load_model(place, fast_cpu=device == "cpu")), str(source), device)


def _to(device: str, method: Method, config: dict[str, Any]) -> tuple[Method, dict[str, Any]]:
    try:
        return method.to(device), config
    except (RuntimeError, AssertionError) as error:  # torch has both for a device that is not there
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {device!r}: expected a device that torch can use here ({reason}); choose 'cpu'.") from error


def _open_onnx(path: Path) -> ScoringModel:
    try:
        from vad_lib.deployment.onnx_export import OnnxScorer
    except ImportError as error:
        raise ConfigError(
            f"{path}: an exported file needs onnxruntime, which is not installed ({error}); run pip install 'vad_lib[deploy]'."
        ) from error
    scorer = OnnxScorer(path, threads=torch.get_num_threads())
    return ScoringModel(scorer, scorer.about, str(path))

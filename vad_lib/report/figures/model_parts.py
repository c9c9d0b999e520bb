"""What figures 1 and 2 say of the proposed model, read from an instance: module names, output shapes, parameter counts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch

from vad_lib import registry
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError
from vad_lib.model import Proposed, category_scores, learned_text, project_visual, video_score

# part -> beginnings of the names of its parameters; a part without an entry has none
_OWNERS = {
    "embed": ("visual_branch.embed",),
    "layers": ("visual_branch.layers",),
    "memory": tuple(f"visual_branch.memory.{name}" for name in ("abnormal", "normal", "mean_map", "log_variance_map")),
    "head": ("visual_branch.memory.head_in", "visual_branch.memory.head_out"),
    "offset": ("prompt_offset",),
    "project": ("project",),
    "modulate": ("modulate", "modulate_norm", "modulation_scale"),
    "temperature": ("log_temperature",),
    "gate": ("gate_logit",),
    "loss_weights": ("lambdas",),
}
# beginning of a source of text features -> their width D_t
_TEXT_WIDTHS = {"clip": 512, "random": 512, "sentence": 384}


class Part(NamedTuple):
    """One part of a model: where it is, what comes out, what it learns.

    Attributes:
        module: names of the parameters' owners in the instance; "" for a function without parameters.
        shape: of its output for one video, without the batch axis.
        parameters: trained and stored numbers.
    """

    module: str
    shape: tuple[int, ...]
    parameters: int


def untrained_model(config: Mapping[str, Any]) -> Proposed:
    """The proposed model as the training of a run begins: of the run's sizes and options, with fresh weights.

    It needs nothing but settings, so that figures 1 and 2 can be drawn where no weights are: of text features only the width is
    shown, so stand-ins of the width of the run's text encoder will do.

    Args:
        config: settings of a run of the proposed model, :attr:`vad_lib.runs.run_folder.Run.config`.

    Raises:
        ConfigError: a run of another method, or with text features of a user's own file, whose width is not known here.
    """
    text = _stand_in_text(config["text"], config["categories"]) if config["text"] else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config["seed"])
        model = registry.build_method(
            config["method"],
            feature_dim=config["features"]["dimension"],
            categories=config["categories"],
            text=text,
            width=config["width"],
            options=config["options"],
        )
    if not isinstance(model, Proposed):
        raise ConfigError(f"figures 1 and 2 show the proposed model, got a run of {config['method']!r}; choose one of 'proposed'.")
    return model.eval()


def _stand_in_text(about: Mapping[str, str], categories: Sequence[str]) -> TextFeatures:
    """Unit vectors as wide as those of a text encoder."""
    width = next((width for source, width in _TEXT_WIDTHS.items() if about["source"].startswith(source)), None)
    if width is None:
        known = ", ".join(_TEXT_WIDTHS)
        raise ConfigError(f"text features {about['source']!r}: expected one of {known}; choose a run with one of them.")
    values = torch.nn.functional.normalize(torch.eye(len(categories), width) + 1).numpy()
    return TextFeatures(tuple(categories), values, about["source"], about["note"], ())


def model_parts(model: Proposed, num_segments: int = 200) -> dict[str, Part]:
    """The parts of a model, with the shapes of a forward pass.

    Args:
        model: the proposed model, of any width and any settings.
        num_segments: T of the forward pass.

    Returns:
        name -> part; every parameter of the model belongs to exactly one part.
    """
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    parts = {}
    for name, shape in _output_shapes(model, num_segments).items():
        counts = {
            owner: sum(size for key, size in sizes.items() if key == owner or key.startswith(f"{owner}."))
            for owner in _OWNERS.get(name, ())
        }
        parts[name] = Part(", ".join(owner for owner, count in counts.items() if count), shape, sum(counts.values()))
    return parts


def _output_shapes(model: Proposed, num_segments: int) -> dict[str, tuple[int, ...]]:
    """Part -> shape of its output for one video; the model is left as it was."""
    shapes: dict[str, tuple[int, ...]] = {"temperature": (1,), "gate": (1,), "text": tuple(model.get_buffer("text_features").shape)}
    inner = {"embed": model.visual_branch.embed, "layers": model.visual_branch.layers[-1]}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: shapes.update({name: tuple(output.shape[1:])}))
        for name, module in inner.items()
    ]
    was_training = model.training
    try:
        with torch.inference_mode():
            shapes |= {name: tuple(tensor.shape[1:]) for name, tensor in _outputs(model.eval(), num_segments).items()}
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {**shapes, "loss_weights": (len(model.lambdas.start),)}


def _outputs(model: Proposed, num_segments: int) -> dict[str, torch.Tensor]:
    """Part -> its output for a video of zeros."""
    text_features = model.get_buffer("text_features")
    features = torch.zeros(1, num_segments, model.feature_dim, device=text_features.device)
    output = model.encode(features)
    category_text = model.category_text(output.context_features)
    mask = torch.ones(output.fused_scores.shape, dtype=torch.bool, device=features.device)
    divisor = model.settings.topk_divisor
    return {
        "features": features,
        "memory": output.context_features,
        "head": output.visual_scores,
        "context": output.context_features.mean(dim=1),
        "offset": learned_text(text_features, model.prompt_offset)[None],
        "delta": category_text[:, 0],
        "modulate": category_text,
        "project": project_visual(output.context_features, model.project),
        "alignment": output.alignment,
        "fine": category_scores(output.alignment, mask, divisor),
        "semantic": output.semantic_scores,
        "fused": output.fused_scores,
        "video": video_score(output.fused_scores, mask, divisor)[..., None],
    }


def part_rows(parts: Mapping[str, Part]) -> pd.DataFrame:
    """The parts as a table: ``part``, ``module``, ``output`` (such as ``200 x 512``), ``parameters``."""
    rows = [(name, part.module, " x ".join(map(str, part.shape)), part.parameters) for name, part in parts.items()]
    return pd.DataFrame(rows, columns=["part", "module", "output", "parameters"])

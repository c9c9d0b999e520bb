"""OpenAI's published CLIP weights: where they are found, and how a checkpoint's towers are read without running its code.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021; the weights are OpenAI's
(MIT). ``clip_text.py`` uses the text tower, ``clip_image.py`` the image tower.
"""

import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from vad_lib.errors import DataError, MissingFileError
from vad_lib.storage.hashing import file_sha256

HUB_TIMEOUT_SECONDS = 5.0
NOT_OF_THE_TEXT_TOWER = ("visual.", "logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")


class Published(NamedTuple):
    """One of OpenAI's models.

    Attributes:
        title: as papers call it.
        hub: repository of the model hub, and the file there, in open_clip's layout.
        megabytes: size of that file.
        archive_sha256: of the TorchScript archive; OpenAI published it as part of the archive's address.
    """

    title: str
    hub: tuple[str, str]
    megabytes: int
    archive_sha256: str


PUBLISHED = {
    "clip-vit-b-16": Published(
        "ViT-B/16",
        ("timm/vit_base_patch16_clip_224.openai", "open_clip_model.safetensors"),
        599,
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    ),
    "clip-vit-b-32": Published(
        "ViT-B/32",
        ("timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"),
        605,
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    ),
}


def find_weights(name: str, otherwise: str = "") -> Path:
    """The file of one of OpenAI's models: from the model hub's local cache, else downloaded into it.

    Args:
        name: a key of :data:`PUBLISHED`.
        otherwise: what else a reader can do, for the end of the error message.

    Raises:
        MissingFileError: not in the cache, and the hub cannot be reached; the message says how to get the file.
    """
    from huggingface_hub import get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache

    model = PUBLISHED[name]
    cached = try_to_load_from_cache(*model.hub)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # the hub's client tries for half a minute before it gives up; one short question tells at once
        get_session().head(hf_hub_url(*model.hub), timeout=HUB_TIMEOUT_SECONDS)
        return Path(hf_hub_download(*model.hub))
    except Exception as error:  # whatever the network did, the fix is the same
        raise MissingFileError(
            f"CLIP {model.title} weights: not in the model hub's local cache, and the hub cannot be reached "
            f"({type(error).__name__}). On a machine with network, download {model.hub[1]} of {model.hub[0]} "
            f"({model.megabytes} MB) and give its path as weights{f'; {otherwise}' if otherwise else ''}."
        ) from error


def read_tower(path: Path, tower: Literal["text", "image"]) -> dict[str, Tensor]:
    """Float32 tensors of one tower; the other one is left on disk where the format allows.

    Args:
        path: a ``.safetensors`` file, a state dict of ``torch.save``, or one of OpenAI's archives; names as OpenAI and
            open_clip have them.
        tower: which one. Names of the image tower lose their ``visual.``.

    Raises:
        DataError: the file cannot be read, or only by a loader that could run code.
    """
    prefix = "visual." if tower == "image" else ""

    def wanted(name: str) -> bool:
        return name.startswith(prefix) if prefix else not name.startswith(NOT_OF_THE_TEXT_TOWER)

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as stored:
                names = [name for name in stored.keys() if wanted(name)]  # noqa: SIM118
                return {name.removeprefix(prefix): stored.get_tensor(name).float() for name in names}
        checkpoint: dict[str, Any] = (
            _load_archive(path) if _is_torchscript(path) else torch.load(path, map_location="cpu", weights_only=True)
        )
        state: dict[str, Tensor] = checkpoint.get("state_dict", checkpoint)
        state = {name.removeprefix("module."): value for name, value in state.items()}
        return {name.removeprefix(prefix): value.float() for name, value in state.items() if wanted(name)}
    except DataError:
        raise
    except Exception as error:  # each format has its own errors, and the fix is the same
        raise DataError(
            f"{path}: expected CLIP weights as .safetensors or as a plain state dict, but they cannot be read safely "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). Save them as .safetensors."
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _load_archive(path: Path) -> dict[str, Tensor]:
    """OpenAI publishes CLIP as TorchScript, which can carry code: only the very files they published are opened."""
    if file_sha256(path) not in {model.archive_sha256 for model in PUBLISHED.values()}:
        known = " and ".join(f"{model.title} (sha256 {model.archive_sha256[:12]}...)" for model in PUBLISHED.values())
        raise DataError(
            f"{path}: a TorchScript archive other than OpenAI's {known}; it may carry code and is not opened. Save its state "
            "dict as .safetensors."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch announces the end of TorchScript
        return torch.jit.load(path, map_location="cpu").state_dict()

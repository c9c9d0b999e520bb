"""CLIP's image tower on the frames of snippets: the features of VadCLIP and CLIP-TSA, beside those of I3D.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021; the weights are OpenAI's
(MIT), found by ``clip_weights.py``, and the network is open_clip's. ViT-B/16 and ViT-B/32 give one vector of 512 numbers per
snippet, not normalised.

Frames are prepared as CLIP's own are: bicubic resizing, a square of 224 pixels, CLIP's mean and standard deviation. Crops are
cut as for I3D. With a shorter side of 224 pixels the centre crop is CLIP's own view (up to the rounding of half a pixel); with
256 there is room for the corners.

How the 16 frames of a snippet become one vector was not published with either method's features. Here it is a setting: the
feature of the ``middle`` frame (number 8, counted from 0), or the ``mean`` of the features of all 16. In a last snippet that is
not full its last frame stands for those that are missing.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vad_lib.config import CLIP_PIXELS, FRAMES_PER_SNIPPET
from vad_lib.data.backbones.clip_weights import PUBLISHED, find_weights, read_tower
from vad_lib.data.backbones.i3d_weights import state_sha256
from vad_lib.data.snippets import resize_bicubic
from vad_lib.errors import DataError, MissingFileError

PLACES = {"middle": (FRAMES_PER_SNIPPET // 2,), "mean": range(FRAMES_PER_SNIPPET)}
# what a feature contract calls them -> the settings that make them
BACKBONES = {f"{name}-{frames}": (name, frames) for name in PUBLISHED for frames in PLACES}
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of pixels in [0, 1], from OpenAI's code
STD = (0.26862954, 0.26130258, 0.27577711)
HEAD_WIDTH = 64  # of all CLIP vision transformers
RANDOM_SEED = 400  # of the explicit choice "random"


class ClipImage(nn.Module):
    """An image tower over the frames of snippets, for inference only. Made by :func:`load_clip_image`.

    Attributes:
        backbone: its name in feature contracts, one of :data:`BACKBONES`.
        dimension: width of its features.
        resize: how frames are brought to its size.
        places: the frames of a snippet that it looks at.
        pixels: side of the square that it takes.
        weights_sha256: hash of the tower's names and values.
        weights_note: empty, or what a reader must know of the weights.
    """

    resize = staticmethod(resize_bicubic)
    dimension: int
    pixels: int
    mean: Tensor
    std: Tensor

    def __init__(self, tower: Any, name: str, frames: str, weights_note: str) -> None:
        super().__init__()
        self.tower = tower.eval().requires_grad_(False)
        self.backbone, self.places = f"{name}-{frames}", PLACES[frames]
        self.dimension, self.pixels = tower.output_dim, tower.image_size[0]
        self.weights_sha256, self.weights_note = state_sha256(tower.state_dict()), weights_note
        # of pixels in [-1, 1], as they come
        self.register_buffer("mean", 2 * torch.tensor(MEAN).view(3, 1, 1) - 1, persistent=False)
        self.register_buffer("std", 2 * torch.tensor(STD).view(3, 1, 1), persistent=False)

    @torch.inference_mode()
    def forward(self, snippets: Tensor) -> Tensor:
        """Features of snippets, the mean over the frames that are given.

        Args:
            snippets: float32 (B, 3, T, S, S), RGB in [-1, 1]; T frames, those of ``places``; S equal to ``pixels``.

        Returns:
            float32 (B, D), not normalised.
        """
        frames = snippets.transpose(1, 2)  # (B, T, 3, S, S)
        features = self.tower((frames.flatten(0, 1) - self.mean) / self.std)
        return features.unflatten(0, frames.shape[:2]).mean(dim=1)


def load_clip_image(name: str, frames: Literal["middle", "mean"] = "middle", weights: str | Path = "openai") -> ClipImage:
    """The image tower of a CLIP model, on the CPU.

    Args:
        name: ``clip-vit-b-16`` or ``clip-vit-b-32``.
        frames: what of a snippet it looks at.
        weights: ``openai``, the real ones, from the model hub's cache or the hub; ``random``, seeded, said so in
            ``weights_note``; or the path of a checkpoint (``.safetensors``, a state dict of ``torch.save``, or one of
            OpenAI's archives). Its sizes are read from its tensors; the activation is OpenAI's QuickGELU.

    Raises:
        MissingFileError: the weights are not there; the message says how to get them.
        DataError: the file is damaged, holds no image tower, or one with patches of another size.
    """
    model, patch = PUBLISHED[name], int(name.rpartition("-")[2])
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(RANDOM_SEED)
            tower = _tower(CLIP_PIXELS, patch, width=768, layers=12, dimension=512)
        return ClipImage(tower, name, frames, "random CLIP weights")
    path = find_weights(name) if weights == "openai" else Path(weights)
    if not path.is_file():
        raise MissingFileError(
            f"{path}: no such CLIP checkpoint; expected 'openai', 'random', or the path of a file with the image tower of "
            f"{model.title}, such as {model.hub[1]} of {model.hub[0]} on the model hub."
        )
    state = read_tower(path, "image")
    try:
        width, _, found, _ = state["conv1.weight"].shape
        side = round((len(state["positional_embedding"]) - 1) ** 0.5)
        layers = sum(key.endswith(".ln_1.weight") for key in state)
        tower = _tower(side * found, found, width, layers, state["proj"].shape[1])
        tower.load_state_dict(state)
    except Exception as error:  # a network built of wrong sizes fails in many ways, and the fix is the same
        raise DataError(f"{path}: expected a CLIP checkpoint with a ViT as image tower, got something else ({error}).") from error
    if found != patch:
        raise DataError(
            f"{path}: expected the image tower of {model.title}, with patches of {patch} pixels, got patches of {found}; choose "
            "the backbone that the file belongs to, or another file."
        )
    if bad := [key for key, value in state.items() if not value.isfinite().all()]:
        raise DataError(f"{path}: tensor visual.{bad[0]} holds NaN or infinity; the checkpoint is damaged, get it again.")
    return ClipImage(tower, name, frames, "" if weights == "openai" else f"own CLIP weights {path.name}")


def _tower(pixels: int, patch: int, width: int, layers: int, dimension: int) -> nn.Module:
    # open_clip takes seconds to import, and I3D does without
    from open_clip.transformer import QuickGELU, VisionTransformer

    heads = max(width // HEAD_WIDTH, 1)
    return VisionTransformer(pixels, patch, width, layers, heads, mlp_ratio=4.0, output_dim=dimension, act_layer=QuickGELU)

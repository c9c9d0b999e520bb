"""CLIP's text tower, frozen: features of texts, and of token embeddings that a method learns."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vad_lib.data.backbones.clip_weights import read_tower
from vad_lib.errors import DataError, MissingFileError


class FrozenTextTower:
    """The text tower of a CLIP checkpoint, for texts and for token embeddings that a method learns.

    Gradients pass through it, none stay: it is no ``nn.Module`` on purpose, so that a method which holds one neither
    trains nor saves its weights.

    Args:
        weights: the checkpoint, in OpenAI's or open_clip's layout of names. The sizes are read from its tensors; the
            activation is OpenAI's QuickGELU.

    Attributes:
        context_length: most tokens of a text, 77 in OpenAI's models.
        token_width: E, width of a token's embedding.
        width: D_t, width of a text's feature.

    Raises:
        MissingFileError: no such file.
        DataError: not a CLIP checkpoint, or one that only an unsafe loader could read.
    """

    def __init__(self, weights: Path) -> None:
        # open_clip takes seconds to import, and no other source of text features needs it
        from open_clip.tokenizer import SimpleTokenizer
        from open_clip.transformer import QuickGELU, TextTransformer

        check_weights_file(weights)
        # the tower may be needed in the middle of a run: its start values must not move that run's random numbers, and
        # tensors made under inference mode could not be used in training
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            state = read_tower(weights, "text")
            try:
                self.context_length, self.token_width = state["positional_embedding"].shape
                self.width = state["text_projection"].shape[1]
                self._tower = TextTransformer(
                    context_length=self.context_length,
                    vocab_size=len(state["token_embedding.weight"]),
                    width=self.token_width,
                    heads=self.token_width // 64,  # all CLIP text towers have heads of 64
                    layers=sum(name.endswith(".ln_1.weight") for name in state),
                    output_dim=self.width,
                    act_layer=QuickGELU,
                )
                self._tower.load_state_dict(state)
            except Exception as error:  # a network built of wrong sizes fails in many ways, and the fix is the same
                raise DataError(
                    f"{weights}: expected a CLIP checkpoint with its text tower, got something else ({error})."
                ) from error
            self._tower.eval().requires_grad_(False)
        self._tokenizer = SimpleTokenizer(context_length=self.context_length)
        self.start, self.end = self._tokenizer.sot_token_id, self._tokenizer.eot_token_id

    def to(self, device: torch.device | str) -> "FrozenTextTower":
        """Move the weights; returns itself."""
        self._tower.to(device)
        return self

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Features of P texts, float32 (P, D_t), not normalised."""
        return self._tower(self._tokenizer(list(texts)).to(self._tower.positional_embedding.device))

    def token_numbers(self, text: str) -> list[int]:
        """Vocabulary numbers of a text, without those of start and end."""
        return self._tokenizer.encode(text)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings of vocabulary numbers: int64 (...) -> float32 (..., E)."""
        return self._tower.token_embedding(tokens.to(self._tower.positional_embedding.device))

    def encode_embedded(self, embeddings: Tensor, ends: Tensor) -> Tensor:
        """Features of texts given as token embeddings, which may be learned.

        Args:
            embeddings: float32 (P, L, E), the start token first, L at most ``context_length``.
            ends: int64 (P,), place of each text's end token. What stands after it has no influence.

        Returns:
            float32 (P, D_t), not normalised.
        """
        tower, length = self._tower, embeddings.shape[1]
        x = tower.transformer(embeddings + tower.positional_embedding[:length], attn_mask=tower.attn_mask[:length, :length])
        at_end = x[torch.arange(len(x), device=x.device), ends]
        return tower.ln_final(at_end) @ tower.text_projection


def check_weights_file(weights: Path) -> None:
    """Raise a :class:`MissingFileError` if there is no such checkpoint."""
    if not weights.is_file():
        raise MissingFileError(f"{weights}: expected a CLIP checkpoint, found no such file. Check the path given as weights.")

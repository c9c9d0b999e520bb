"""Learned context around the category names (CoOp), through the frozen text tower; for VadCLIP."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vad_lib.data.backbones.clip_text import FrozenTextTower
from vad_lib.data.prompts import build_prompts
from vad_lib.errors import ConfigError


class LearnedPrompts:
    """Categories as texts of which a part is learned: start token, learned tokens, words, learned tokens, end token (VadCLIP).

    The words are the category's phrase in ``prompts.yml``. The learned tokens are rows of one table, by their place in the
    text and shared by all categories. The encoder looks back only, so nothing is put behind an end token.

    Args:
        tower: the frozen encoder.
        categories: C identifiers.
        context_tokens: learned tokens on either side of the words.

    Raises:
        DataError: a category has no phrase.
        ConfigError: a text is too long for the encoder.
    """

    def __init__(self, tower: FrozenTextTower, categories: Sequence[str], context_tokens: int) -> None:
        around: list[int | None] = [None] * context_tokens
        texts = [
            [tower.start, *around, *tower.token_numbers(phrase), *around, tower.end]
            for (phrase,) in build_prompts(categories, ["{}"])
        ]
        longest = max(map(len, texts))
        if longest > tower.context_length:
            raise ConfigError(
                f"a prompt has {longest} tokens, {2 * context_tokens} of them learned, but the text encoder takes "
                f"{tower.context_length}; lower context_tokens or shorten the phrases in prompts.yml."
            )
        self.tower = tower
        # tensors made under inference mode could not be used in training
        with torch.inference_mode(False):
            self.ends = torch.tensor([len(text) - 1 for text in texts])
            self.learned = torch.tensor([[token is None for token in text] + [False] * (longest - len(text)) for text in texts])
            self.words = tower.embed(torch.tensor([[token or 0 for token in text] + [0] * (longest - len(text)) for text in texts]))

    def __call__(self, table: Tensor) -> Tensor:
        """Features of the categories: learned tokens (L, E), L at least the longest text, to float32 (C, D_t)."""
        if self.words.device != table.device:
            self.tower.to(table.device)
            self.ends, self.learned, self.words = (part.to(table.device) for part in (self.ends, self.learned, self.words))
        embeddings = torch.where(self.learned[..., None], table[: self.learned.shape[1]], self.words)
        return self.tower.encode_embedded(embeddings, self.ends).float()

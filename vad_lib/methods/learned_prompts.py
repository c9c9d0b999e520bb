"""Learned tokens around the words of the categories, through CLIP's frozen text encoder; for VadCLIP.

After CoOp (Zhou, Yang, Loy and Liu, "Learning to Prompt for Vision-Language Models", IJCV 2022).

Shapes: C categories, L tokens of a text, E width of a token, D_t width of a text's feature.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vad_lib.data.backbones.clip_text import FrozenTextTower
from vad_lib.data.prompts import build_prompts
from vad_lib.errors import ConfigError, MissingFileError


class LearnedPrompts:
    """Categories as texts of which a part is learned: start token, learned tokens, words, learned tokens, end token.

    The words are the category's phrase in ``prompts.yml``, or its name where it has none. The learned tokens are rows of one
    table, by their place in the text and shared by all categories. The encoder looks back only, so nothing is put behind an
    end token.

    Args:
        tower: the frozen encoder.
        categories: C identifiers.
        context_tokens: learned tokens on either side of the words.

    Raises:
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
        """Features of the categories, not normalised.

        Args:
            table: float32 (L, E), the learned tokens, L at least the longest text.

        Returns:
            float32 (C, D_t).
        """
        if self.words.device != table.device:
            self.tower.to(table.device)
            self.ends, self.learned, self.words = (part.to(table.device) for part in (self.ends, self.learned, self.words))
        embeddings = torch.where(self.learned[..., None], table[: self.learned.shape[1]], self.words)
        return self.tower.encode_embedded(embeddings, self.ends).float()


def load_learned_prompts(
    weights: Path | None, categories: Sequence[str], context_tokens: int, table: Tensor, text_width: int
) -> LearnedPrompts:
    """Learned prompts inside the text encoder of a CLIP checkpoint.

    Args:
        weights: the checkpoint that made the text features; None if they name none.
        categories: C identifiers.
        context_tokens: learned tokens on either side of the words.
        table: float32 (L, E), the learned tokens; as many and as wide as the encoder's.
        text_width: D_t, width of the text features.

    Raises:
        MissingFileError: no checkpoint.
        ConfigError: an encoder of other sizes than the table and the text features have, or a text too long for it.
    """
    if weights is None:
        raise MissingFileError(
            "VadCLIP with prompts='tokens' needs the CLIP checkpoint of its text features to train or to encode its first "
            "texts, and these text features name none; make them with prompts.text_features('clip', ...)."
        )
    tower = FrozenTextTower(weights)
    built, found = (*table.shape, text_width), (tower.context_length, tower.token_width, tower.width)
    if built != found:
        raise ConfigError(
            f"{weights}: expected context_length, token_width and width of the text features {built}, got {found}; change "
            "these options, or give the checkpoint that made the text features."
        )
    return LearnedPrompts(tower, categories, context_tokens)

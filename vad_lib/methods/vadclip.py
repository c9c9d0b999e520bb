"""VadCLIP: frozen CLIP features, two branches (Wu, Zhou, Pang, Zhou, Yan, Wang and Zhang, AAAI 2024; arXiv 2308.11681).

A temporal adapter (attention in windows, then two graphs) refines frozen CLIP features of the frames. One branch scores
every segment; the other compares it with texts of the categories, whose words stand among learned tokens inside CLIP's
frozen text encoder and which see a summary of the video. By the authors' public code; depth, windows and score differ
between the two data sets and are UCF-Crime's here (:data:`XD_VIOLENCE` holds the other ones).

symbol   here                 shape
X        visual               (R, L, W), after the adapter
S, D     similarity, distance (R, L, L) and (L, L), adjacencies
a        logits               (R, L)
t_c      text                 (C, W), category 0 normal
V        prompt               (R, 1, W), unit vectors, the summary
T_c      chunk_text           (R, C, W)
M        alignment / tau      (R, L, C), cosines / 0.07

S sequences (videos x crops), T segments, D feature width, W width of the model, C categories, D_t text width;
R = S ceil(T / L) chunks of L = 256 positions.

How it differs from the others: words are learned, inside a frozen text encoder; and a video is seen in pieces. A sequence
is cut into chunks of 256 segments that know nothing of each other. The last one is filled up with zeros, which get
positions and take part in attention, distance graph and summary, as in the public code: a result depends on the chunk's
fixed length, never on other videos. (There, videos of a multiple of 256 end with a chunk of zeros alone. It changes
nothing.)

In the paper W = D = D_t = 512 (CLIP ViT-B/16). For another D or D_t a learned linear map comes first; the paper has none.
Text features that are not CLIP's have no encoder to learn tokens in: ``prompts="offset"`` adds a learned offset to each
category's feature instead, as the proposed model does. The words are the phrases of ``prompts.yml``; the authors' code
takes the categories' names.

The layers stand in :mod:`vad_lib.methods.vadclip_layers`, the learned tokens in :mod:`vad_lib.methods.learned_prompts`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from vad_lib import losses
from vad_lib.config import Settings
from vad_lib.data.batches import Batch
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import ConfigError
from vad_lib.losses import LossTerm
from vad_lib.methods.base import MethodSpec, check_categories, check_text_features
from vad_lib.methods.learned_prompts import LearnedPrompts, load_learned_prompts
from vad_lib.methods.masked import MaskedMethod
from vad_lib.methods.vadclip_layers import (
    FeedForward,
    GraphLayer,
    WindowLayer,
    contrast_loss,
    distance_graph,
    similarity_graph,
)

START_DEVIATION = 0.01  # of position and token tables, official code


class VadCLIPSettings(Settings):
    """Settings of VadCLIP; the defaults are the official code's for UCF-Crime."""

    feature_dim: int = Field(512, ge=1, description="D, width of the snippet features")
    width: int = Field(512, ge=2, description="W, even")
    layers: int = Field(2, ge=1, description="of attention in windows")
    window: int = Field(8, ge=1, description="segments that attend to each other")
    chunk: int = Field(256, ge=1, description="L, a multiple of the window; a shorter one costs less on short videos")
    similarity_threshold: float = Field(0.7, ge=-1, le=1, description="cosines up to it count as 0 in the similarity graph")
    distance_scale: float = Field(math.e, gt=0, description="segments; 1 in the paper")
    distance_graph: Literal["plain", "softmax"] = Field("plain", description="softmax: rows sum to 1, as in the paper")
    summary: Literal["logits", "scores"] = Field("logits", description="weights of the segments in V; scores in the paper")
    prompts: Literal["tokens", "offset"] = Field(
        "tokens", description="tokens inside CLIP's text encoder, or an offset on each text feature"
    )
    context_tokens: int = Field(10, ge=0, description="learned tokens on either side of a category's words")
    context_length: int = Field(77, ge=4, description="rows of the token table, as many as CLIP's text encoder has positions")
    token_width: int = Field(512, ge=1, description="width of a token in CLIP's text encoder")
    score: Literal["classifier", "alignment"] = Field(
        "classifier", description="the first branch's, or 1 - the normal category's probability in the second"
    )
    temperature: float = Field(0.07, gt=0, description="tau, fixed")
    contrast_weight: float = Field(0.1, ge=0, description="lambda; 0 leaves the term out")
    topk_divisor: int = Field(16, ge=2, description="the k = T // 16 + 1 best segments stand for a video")

    @model_validator(mode="after")
    def _sizes_divide(self) -> "VadCLIPSettings":
        if self.width % 2 or self.chunk % self.window:
            raise ValueError(f"width must be even and chunk a multiple of the window ({self.window})")
        return self


# options for XD-Violence, as in the official code
XD_VIOLENCE: dict[str, Any] = {"layers": 1, "window": 64, "score": "alignment", "contrast_weight": 1e-4}


class VadCLIPOutput(NamedTuple):
    """Output of VadCLIP; after ``forward`` every S is (B, N).

    Attributes:
        logits: float32 (S, T), a, unbounded.
        alignment: float32 (S, T, C), cosines.
        text: float32 (S, C, W), t_c, the same for every sequence.
    """

    logits: Tensor
    alignment: Tensor
    text: Tensor


class VadCLIP(MaskedMethod):
    """VadCLIP.

    With ``prompts="tokens"`` CLIP's text encoder is loaded when it is first needed, and neither trained nor saved. What it
    makes of the learned tokens is kept among the weights whenever the method is set to evaluation or its weights are
    taken: a trained method scores videos without it.

    Args:
        settings: frozen settings.
        text: float32 (C, D_t), text features, category 0 normal; kept with the weights, never trained.
        categories: C identifiers, for ``prompts="tokens"``.
        weights: checkpoint of the CLIP model that made the text features, for ``prompts="tokens"``.

    Raises:
        DataError: ``text`` is no finite matrix of two categories or more.
    """

    without_time = ("text",)
    text: Tensor
    distance: Tensor
    encoded_text: Tensor

    def __init__(
        self, settings: VadCLIPSettings, text: Tensor, categories: Sequence[str] = (), weights: Path | None = None
    ) -> None:
        super().__init__()
        check_text_features(text)
        self.settings, self.categories, self.weights = settings, tuple(categories), weights
        width, half = settings.width, settings.width // 2
        self.register_buffer("text", text.clone().float())
        self.project = _fitting(settings.feature_dim, width)
        self.project_text = _fitting(text.shape[1], width)
        self.positions = nn.Parameter(torch.randn(settings.chunk, width) * START_DEVIATION)
        self.layers = nn.ModuleList(WindowLayer(width) for _ in range(settings.layers))
        self.similar = nn.ModuleList((GraphLayer(width, half), GraphLayer(half, half)))
        self.near = nn.ModuleList((GraphLayer(width, half), GraphLayer(half, half)))
        self.merge = nn.Linear(width, width)
        self.score_forward = FeedForward(width)
        self.classifier = nn.Linear(width, 1)
        self.text_forward = FeedForward(width)
        # nothing uses it in the official code either; it keeps the number of parameters that code's
        self.unused = nn.Parameter(torch.zeros(1), requires_grad=False)
        graph = distance_graph(settings.chunk, settings.distance_scale, settings.distance_graph)
        self.register_buffer("distance", graph, persistent=False)
        if settings.prompts == "tokens":
            self.tokens = nn.Parameter(torch.randn(settings.context_length, settings.token_width) * START_DEVIATION)
            self.register_buffer("encoded_text", torch.zeros_like(self.text))  # zero until first encoded
        else:
            self.offset = nn.Parameter(torch.zeros_like(self.text))
        self._encoder: LearnedPrompts | None = None
        self._outdated = False  # whether the tokens were changed since the text was encoded, without this method's knowledge
        self._text: Tensor | None = None  # t_c during a forward pass

    @property
    def feature_dim(self) -> int:
        return self.settings.feature_dim

    @property
    def temperature(self) -> Tensor:
        """tau, a scalar that is not learned."""
        return self.text.new_tensor(self.settings.temperature)

    # Texts

    def category_text(self) -> Tensor:
        """t_c, float32 (C, W): through the text encoder in training, as last encoded in evaluation."""
        if self.settings.prompts == "offset":
            return self.project_text(self.text + self.offset)
        if self.training:
            return self.project_text(self._encode_tokens())
        if self._outdated or not bool(self.encoded_text.any()):
            self._keep_text()
        return self.project_text(self.encoded_text)

    def _encode_tokens(self) -> Tensor:
        """The learned tokens and the categories' words through the text encoder, float32 (C, D_t)."""
        if self._encoder is None:
            self._encoder = load_learned_prompts(
                self.weights, self.categories, self.settings.context_tokens, self.tokens, self.text.shape[1]
            )
        return self._encoder(self.tokens)

    @torch.no_grad()
    def _keep_text(self) -> None:
        self.encoded_text.copy_(self._encode_tokens())
        self._outdated = False

    def weights_changed(self) -> None:
        self._outdated = self.settings.prompts == "tokens"

    def train(self, mode: bool = True) -> "VadCLIP":
        """Switch to training or evaluation; evaluation sees the tokens as they are now."""
        super().train(mode)
        if not mode and self._encoder is not None:
            self._keep_text()
        return self

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """All weights and buffers; the encoded texts among them are those of the tokens as they are now."""
        if self._encoder is not None or self._outdated:
            self._keep_text()
        return super().state_dict(*arguments, **named)

    # Segments

    def forward(self, features: Tensor, mask: Tensor | None = None) -> VadCLIPOutput:
        """Encode every crop of every video; the texts are encoded once for all of them.

        Args:
            features: float32 (B, N, T, D).
            mask: bool (B, T), real segments first; None if every segment is real.

        Returns:
            the output, its tensors shaped (B, N, ...); logits and cosines of padding are 0.

        Raises:
            DataError: another shape or width, NaN or infinity, or a mask whose real segments do not come first.
        """
        self._text = self.category_text()
        try:
            return super().forward(features, mask)
        finally:
            self._text = None

    def encode_real(self, features: Tensor, real: Tensor) -> VadCLIPOutput:
        """Encode sequences of which the first segments are real; chunks are filled up with zeros anyway.

        Args:
            features: float32 (S, T, D).
            real: bool (S, T), True where a segment is real; those come first.

        Returns:
            the output; what stands at padding has no meaning.
        """
        sequences, length = real.shape
        text = self.category_text() if self._text is None else self._text  # (C, W)
        visual = self.graphs(self.windows(features, real), real)  # (R, L, W)
        logits, alignment = self.branches(visual, text)
        return VadCLIPOutput(
            logits.view(sequences, -1)[:, :length],  # (S, T)
            alignment.view(sequences, -1, len(text))[:, :length],  # (S, T, C)
            text.expand(sequences, -1, -1),
        )

    def windows(self, features: Tensor, real: Tensor) -> Tensor:
        """Positions, then attention in windows: (S, T, D), bool (S, T) -> (R, L, W)."""
        chunk, window, width = self.settings.chunk, self.settings.window, self.settings.width
        x = self.project(features) * real[:, :, None]  # (S, T, W)
        x = F.pad(x, (0, 0, 0, -x.shape[1] % chunk)).view(-1, chunk, width) + self.positions  # (R, L, W)
        x = x.view(-1, window, width)  # (R L / w, w, W)
        for layer in self.layers:
            x = layer(x)
        return x.view(-1, chunk, width)

    def graphs(self, x: Tensor, real: Tensor) -> Tensor:
        """X, from both graphs side by side: (R, L, W), bool (S, T) -> (R, L, W)."""
        similarity = self.similarity(x, real)
        similar = near = x
        for similar_layer, near_layer in zip(self.similar, self.near):
            similar, near = similar_layer(similar, similarity), near_layer(near, self.distance)  # (R, L, W / 2)
        return self.merge(torch.cat([similar, near], dim=-1))

    def similarity(self, x: Tensor, real: Tensor) -> Tensor:
        """S of every chunk: (R, L, W), bool (S, T) -> (R, L, L)."""
        chunk = self.settings.chunk
        real = F.pad(real, (0, -real.shape[1] % chunk)).view(-1, chunk)  # (R, L)
        return similarity_graph(x, real, self.settings.similarity_threshold)

    def branches(self, visual: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and cosines: X (R, L, W) and t_c (C, W) -> a (R, L) and (R, L, C)."""
        logits = self.classifier(visual + self.score_forward(visual)).squeeze(-1)  # (R, L)
        weights = logits if self.settings.summary == "logits" else logits.sigmoid()
        prompt = F.normalize(weights[:, None] @ visual, dim=-1)  # (R, 1, W)
        chunk_text = text + prompt  # (R, C, W)
        chunk_text = chunk_text + self.text_forward(chunk_text)
        return logits, self.cosines(visual, chunk_text)

    def cosines(self, visual: Tensor, text: Tensor) -> Tensor:
        """Of every segment and every category's text in its chunk: (R, L, W), (R, C, W) -> (R, L, C)."""
        return F.normalize(visual, dim=-1) @ F.normalize(text, dim=-1).mT

    # Losses and scores

    def loss(self, output: VadCLIPOutput, batch: Batch) -> dict[str, LossTerm]:
        """L_bce, L_nce and L_cts. Every crop is a sample of its own; several categories share a video evenly.

        Raises:
            DataError: the batch has another number of categories than the text features.
        """
        check_categories(batch, self.text)
        divisor, crops = self.settings.topk_divisor, output.logits.shape[1]
        labels, mask = batch.video_labels.repeat_interleave(crops), batch.mask.repeat_interleave(crops, 0)
        targets = batch.category_targets.repeat_interleave(crops, 0)
        video_scores = losses.topk_mean(output.logits.flatten(0, 1).sigmoid(), mask, divisor)  # (R,)
        category_scores = losses.topk_mean_by_category(output.alignment.flatten(0, 1), mask, divisor)  # (R, C)
        terms = {
            "main": LossTerm(losses.main_loss(video_scores, labels)),
            "align": LossTerm(losses.classification_loss(category_scores, targets, self.settings.temperature)),
        }
        if self.settings.contrast_weight > 0:
            terms["contrast"] = LossTerm(contrast_loss(output.text[0, 0]), self.settings.contrast_weight)
        return terms

    def scores(self, output: VadCLIPOutput) -> dict[str, Tensor]:
        if self.settings.score == "classifier":
            score = output.logits.sigmoid()
        else:
            score = (output.alignment / self.settings.temperature).softmax(dim=-1)[..., 1:].sum(dim=-1).clamp(max=1)
        return {"score": score.mean(dim=1), "alignment": output.alignment.clamp(-1, 1).mean(dim=1)}


def _fitting(found: int, wanted: int) -> nn.Module:
    return nn.Identity() if found == wanted else nn.Linear(found, wanted)


def build(settings: VadCLIPSettings, text: TextFeatures) -> VadCLIP:
    """VadCLIP for the categories of some text features.

    Raises:
        ConfigError: ``prompts="tokens"`` with text features that are not CLIP's.
    """
    if settings.prompts == "tokens" and not text.source.startswith("clip"):
        raise ConfigError(
            f"vadclip: prompts='tokens' learns tokens inside CLIP's text encoder, but the text features come from {text.source!r}; "
            "use text features 'clip', or the option prompts='offset'."
        )
    return VadCLIP(settings, torch.tensor(text.values), text.categories, text.weights)


def sizes(feature_dim: int, width: int) -> dict[str, int]:
    """Below the published width, the profiles of short videos, chunks are shorter too: padding would be most of the work."""
    return {"feature_dim": feature_dim, "width": width, "chunk": 256 if width >= 512 else 64}


# The authors go on from the best checkpoint on the test set after each of 10 epochs (125 steps on UCF-Crime, 412 on XD-Violence);
# training here never sees it. XD-Violence's batches of 96 rows are not balanced there, and its last milestone is the end.
SPEC = MethodSpec(
    name="vadclip",
    title="VadCLIP",
    paper="Wu et al., AAAI 2024",
    idea="a second branch names each segment's category by texts with learned tokens, trained beside the score",
    settings=VadCLIPSettings,
    build=build,
    needs_text=True,
    sizes=sizes,
    question="language",
    without_clip={"prompts": "offset"},
    presets={"XD-Violence": XD_VIOLENCE},
    batches={"segmenting": "means_or_pad"},
    published={
        "num_segments": 256,
        "batch_size": 64,
        "lr": 2e-5,
        "weight_decay": 0.01,
        "steps": 1250,
        "optimiser": "adamw",
        "schedule": "milestones",
    },
    published_on={"XD-Violence": {"batch_size": 48, "lr": 1e-5, "steps": 4120, "milestones": (0.3, 0.6)}},
)

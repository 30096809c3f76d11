"""Attention over [a token, frames + positions]: an attentive probe, and a small transformer."""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import Head, Positions, Standardize, all_frames, masked_mean


class _TokenHead(Head):
    """Standardised and projected frames with their positions, behind a learned token."""

    def __init__(self, feature_shape: tuple[int, ...], num_frames: int, inner: int) -> None:
        super().__init__()
        self.standardize = Standardize(feature_shape[0])
        self.project = nn.Linear(feature_shape[0], inner)
        self.positions = Positions(num_frames, inner)
        self.token = nn.Parameter(nn.init.normal_(torch.empty(1, 1, inner), std=0.02))

    def _embed(self, features: Tensor) -> Tensor:
        """(B, T, D) -> (B, 1 + T, E)."""
        frames = self.project(self.standardize(features)) + self.positions(features.shape[1])
        return torch.cat([self.token.expand(frames.shape[0], -1, -1), frames], 1)


class AttentionHead(_TokenHead):
    """One self-attention; what the token has seen and the mean of the frames, side by side.

    As in the paper there is no skip connection, feed-forward layer or normalisation: few parameters.

    Source: STEP, Self-attentive Temporal Embedding Probing, arXiv:2503.24298.
    """

    def __init__(
        self, *, feature_shape: tuple[int, ...], num_frames: int, inner: int = 256, num_heads: int = 4
    ) -> None:
        if inner % num_heads:
            raise ValueError(f"inner width {inner} is not a multiple of num_heads {num_heads}")
        super().__init__(feature_shape, num_frames, inner)
        self.queries_keys_values = nn.Linear(inner, 3 * inner)
        self.output = nn.Linear(inner, inner)
        self.num_heads = num_heads
        self.width = 2 * inner

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask)
        weights, value = self._look(features, present)
        x = self.output((weights @ value).transpose(1, 2).flatten(2))
        return torch.cat([x[:, 0], masked_mean(x[:, 1:], present)], 1)

    def attend(self, features: Tensor) -> Tensor:
        """When it looks: how much the token takes of each frame, (B, T, D) -> (B, T), mean over the heads."""
        weights, _ = self._look(features, all_frames(features, None))
        return weights[:, :, 0, 1:].mean(1)

    def _look(self, features: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (B, heads, 1 + T, 1 + T), a row for each that looks, and what it sees, (B, heads, 1 + T, E)."""
        x = self._embed(features)
        batch, length, inner = x.shape
        split = self.queries_keys_values(x).view(batch, length, 3, self.num_heads, inner // self.num_heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        visible = torch.cat([present.new_ones(batch, 1, 1), present], 1).view(batch, 1, 1, length) > 0
        scores = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5
        return scores.masked_fill(~visible, -1e4).softmax(-1), value


class TransformerHead(_TokenHead):
    """A pre-norm encoder layer, or several; the token.

    Source: Vaswani et al. 2017, arXiv:1706.03762; for actions, Girdhar et al. 2019, arXiv:1812.02707.
    """

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        width: int = 128,
        num_layers: int = 1,
        num_heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of num_heads {num_heads}")
        super().__init__(feature_shape, num_frames, width)
        layer = nn.TransformerEncoderLayer(
            width, num_heads, 2 * width, dropout=dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask)[..., 0] > 0
        absent = torch.cat([torch.zeros_like(present[:, :1]), ~present], 1)
        return self.encoder(self._embed(features), src_key_padding_mask=absent)[:, 0]

    def attend(self, features: Tensor) -> Tensor:
        """When it looks: how much the token takes of each frame in the last layer, (B, T, D) -> (B, T)."""
        x = self._embed(features)
        *before, last = self.encoder.layers
        for layer in before:
            x = layer(x)
        normal = last.norm1(x)  # pyrefly: ignore[not-callable]
        _, weights = last.self_attn(normal, normal, normal, need_weights=True)  # pyrefly: ignore[not-callable]
        return weights[:, 0, 1:]

"""A small pre-norm transformer encoder with frame positions and a class token.

Source: Vaswani et al. 2017, arXiv:1706.03762; for actions, Girdhar et al. 2019, arXiv:1812.02707.
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import Head, Positions, Standardize, all_frames


class TransformerHead(Head):
    """An encoder layer, or several, over [class token, frames + positions]; the class token."""

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
        super().__init__()
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of num_heads {num_heads}")
        self.standardize = Standardize(feature_shape[0])
        self.project = nn.Linear(feature_shape[0], width)
        self.positions = Positions(num_frames, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
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
        normal = last.norm1(x)
        _, weights = last.self_attn(normal, normal, normal, need_weights=True)
        return weights[:, 0, 1:]

    def _embed(self, features: Tensor) -> Tensor:
        """The token and the frames with their positions: (B, 1 + T, E)."""
        frames = self.project(self.standardize(features)) + self.positions(features.shape[1])
        return torch.cat([self.token.expand(frames.shape[0], -1, -1), frames], 1)

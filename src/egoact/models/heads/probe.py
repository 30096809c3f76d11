"""An attentive probe: queries for verb, noun and action that look at the tokens of a clip.

Sources: V-JEPA 2 (Assran et al. 2025, arXiv:2506.09985), whose probes on EPIC-KITCHENS-100 these are; their own query
for each target is from its section on anticipation.

Shapes: B clips, T frames, S streams, P parts of the picture of all streams together, E width, R replicas, Q queries.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from egoact.models.attention import CrossAttentionBlock, SelfAttention, SelfAttentionBlock
from egoact.models.heads.head import Head, Positions, Standardize, all_frames

QUERIES = ("verb", "noun", "action")
_ABSENT = -1e4  # not infinite: the weights of a clip without any frame would be NaN


class ProbeHead(Head):
    """Tokens of all streams, self-attention, and a query for each target: (B, T, D) -> (B, R * 3 * E).

        stream A (B, T, P_A, D_A) ──► standardise ──► project ──┐
                                                                ├─► + place in time and picture ─► blocks ─► queries
        stream B (B, T, P_B, D_B) ──► standardise ──► project ──┘

    The last of the `depth` blocks, 1 to 4, is that of the queries, those before are among tokens. `width` is E.
    `replicas` are probes of other initial weights that are trained together; what they say is averaged. Of each of the
    `streams` it is given how many numbers it has, and of how many parts of the picture they are, part by part; empty:
    one of whole pictures.
    """

    queries = QUERIES
    takes_streams = True

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        width: int = 128,
        depth: int = 1,
        num_heads: int = 4,
        replicas: int = 1,
        streams: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        if depth > 4:
            raise ValueError(f"probe has 1 to 4 blocks, got depth {depth}")
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of num_heads {num_heads}")
        self.streams = tuple(streams) or ((feature_shape[0], 1),)
        if sum(size for size, _ in self.streams) != feature_shape[0] or any(n % parts for n, parts in self.streams):
            raise ValueError(f"streams of {self.streams} numbers and parts do not make {feature_shape[0]} numbers")
        self.width, self.num_replicas = replicas * len(QUERIES) * width, replicas
        self.standardize = Standardize(feature_shape[0])
        self.probes = nn.ModuleList(_Probe(self.streams, num_frames, width, depth, num_heads) for _ in range(replicas))

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        features = self.standardize(features)
        num_parts = sum(parts for _, parts in self.streams)
        present = all_frames(features, mask).expand(-1, -1, num_parts).flatten(1)
        bias = None if mask is None else ((1 - present) * _ABSENT)[:, None, None]
        return torch.cat([probe(features, bias).flatten(1) for probe in self.probes], 1)


class _Probe(nn.Module):
    """One replica: standardised (B, T, D) -> (B, Q, E)."""

    def __init__(
        self, streams: Sequence[tuple[int, int]], num_frames: int, width: int, depth: int, num_heads: int
    ) -> None:
        super().__init__()
        self.streams = streams
        self.project = nn.ModuleList(nn.Linear(size // parts, width) for size, parts in streams)
        self.positions = Positions(num_frames, width)
        places = torch.empty(sum(parts for _, parts in streams), width)
        self.places = nn.Parameter(nn.init.normal_(places, std=0.02))
        self.blocks = nn.ModuleList(
            SelfAttentionBlock(width, SelfAttention(width, num_heads)) for _ in range(depth - 1)
        )
        self.query_tokens = nn.Parameter(nn.init.normal_(torch.empty(1, len(QUERIES), width), std=0.02))
        self.cross_attention_block = CrossAttentionBlock(width, num_heads)

    def forward(self, features: Tensor, bias: Tensor | None) -> Tensor:
        each = features.split([size for size, _ in self.streams], 2)
        projected = [
            project(part.reshape(*part.shape[:2], number, -1))
            for project, part, (_, number) in zip(self.project, each, self.streams, strict=True)
        ]
        placed = torch.cat(projected, 2) + self.positions(features.shape[1])[:, None] + self.places
        tokens = placed.flatten(1, 2)
        for block in self.blocks:
            tokens = block(tokens, bias)
        return self.cross_attention_block(self.query_tokens.expand(tokens.shape[0], -1, -1), tokens, bias)

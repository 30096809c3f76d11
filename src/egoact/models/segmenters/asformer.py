"""A transformer for segmentation: local attention over wider and wider windows, refined by decoders."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from egoact.models.segmenters.segmenter import Segmenter, shares

_FAR_BELOW = -1e4


class ASFormer(Segmenter):
    """ASFormer (Yi et al. 2021, arXiv:2110.08568), with windows that slide.

    An encoder of blocks (dilated convolution, self-attention within 2^i steps), and decoders whose attention mixes
    what the encoder saw by what the stage before said. Each step is normalised by itself and not over the recording,
    so that a recording can be taken in pieces. `layers` are blocks of the encoder and of each of the `stages` decoders;
    dropout is of the input, channel by channel.
    """

    def __init__(
        self,
        num_features: int,
        sizes: Sequence[int],
        *,
        width: int = 64,
        layers: int = 6,
        stages: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.dropout = nn.Dropout1d(dropout)
        self.encoder = _Blocks(num_features, sum(sizes), width, layers)
        self.decoders = nn.ModuleList(_Blocks(sum(sizes), sum(sizes), width, layers) for _ in range(stages))
        reach = (1 + stages) * 2 * (2**layers - 1)
        self.reach = (reach, reach)

    def forward(self, features: Tensor, mask: Tensor) -> list[Tensor]:  # noqa: D102
        logits, seen = self.encoder(self.dropout(features), None, mask)
        stages = [logits]
        for decoder in self.decoders:
            logits, seen = decoder(shares(stages[-1], self.sizes) * mask, seen, mask)
            stages.append(logits)
        return stages


class _Blocks(nn.Module):
    def __init__(self, num_features: int, num_outputs: int, width: int, layers: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(num_features, width, 1)
        self.blocks = nn.ModuleList(_Block(width, 2**i) for i in range(layers))
        self.leave = nn.Conv1d(width, num_outputs, 1)

    def forward(self, x: Tensor, seen: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.enter(x) * mask
        for block in self.blocks:
            x = block(x, seen, mask)
        return self.leave(x), x


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width // 2) for _ in range(3))
        self.mix = nn.Linear(width // 2, width)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.window = dilation

    def forward(self, x: Tensor, seen: Tensor | None, mask: Tensor) -> Tensor:
        changed = self.dilated(x).relu()
        normal = self.norm(changed.transpose(1, 2))
        values = normal if seen is None else seen.transpose(1, 2)
        attended = attend(self.query(normal), self.key(normal), self.value(values), mask[:, 0], window=self.window)
        changed = changed + self.mix(attended.relu()).transpose(1, 2)
        return (x + self.pointwise(changed)) * mask


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, window: int) -> Tensor:
    """Attention of each step to those at most `window` away: three times (B, F, C), mask (B, F) -> (B, F, C).

    Blocks of `window` queries look at their own block and both neighbours, (B, N, 3 W, C): cost and memory grow with F,
    not its square.
    """
    num_steps, width = query.shape[1:]
    missing = -num_steps % window
    pad = nn.functional.pad
    blocks = pad(query, (0, 0, 0, missing)).unflatten(1, (-1, window))
    keys, values, there = (
        pad(each, (0, 0, window, window + missing)).unflatten(1, (-1, window))
        for each in (key, value, mask[:, :, None])
    )
    keys, values, there = (torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], dim=2) for x in (keys, values, there))
    own, others = torch.arange(window, device=query.device), torch.arange(3 * window, device=query.device)
    is_near = ((others - window)[None] - own[:, None]).abs() <= window
    scores = blocks @ keys.transpose(2, 3) / width**0.5
    scores = scores.masked_fill(~is_near | (there.transpose(2, 3) == 0), _FAR_BELOW)
    mixed = scores.softmax(-1) @ values
    return mixed.flatten(1, 2)[:, :num_steps]

"""Dilated temporal convolutions with residuals; causal, so that it can run on a stream.

Source: Temporal convolutional networks, Bai et al. 2018, arXiv:1803.01271; Lea et al. 2017, arXiv:1611.05267.
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import Standardize, State, SteppingHead, all_frames, last_valid, masked_mean


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int, *, causal: bool, dropout: float) -> None:
        super().__init__()
        self.padding = (2 * dilation, 0) if causal else (dilation, dilation)
        self.conv = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.conv(nn.functional.pad(x, self.padding)))
        return x + self.dropout(self.mix(hidden))

    def step(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """One frame (B, width, 1) after its two dilations of frames before, (B, width, 2 dilations), causal."""
        seen = torch.cat([before, x], 2)
        hidden = nn.functional.gelu(self.conv(seen))
        return x + self.dropout(self.mix(hidden)), seen[:, :, 1:]


class TCNHead(SteppingHead):
    """Residual blocks with dilation 1, 2, 4, 8; causal: the last frame's output, else their mean."""

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        width: int = 64,
        num_blocks: int = 4,
        causal: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.standardize = Standardize(feature_shape[0])
        self.project = nn.Linear(feature_shape[0], width)
        self.blocks = nn.ModuleList(_Block(width, 2**i, causal=causal, dropout=dropout) for i in range(num_blocks))
        self.causal = causal
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask)
        x = (self.project(self.standardize(features)) * present).transpose(1, 2)
        for block in self.blocks:
            x = block(x) * present.transpose(1, 2)
        x = x.transpose(1, 2)
        return last_valid(x, mask) if self.causal else masked_mean(x, present)

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        if not self.causal:
            raise ValueError("a tcn that is not causal needs whole clips; train it with causal=true")
        zeros = self.project.weight.new_zeros(batch_size, self.width, 1)
        return tuple(zeros.repeat(1, 1, 2 * 2**i) for i in range(len(self.blocks)))

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        x = self.project(self.standardize(frame)).unsqueeze(2)
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            assert isinstance(block, _Block)
            x, seen = block.step(x, before)
            after.append(seen)
        return x[:, :, 0], tuple(after)

"""A narrow input: the features of each stream, standardised and projected to their principal components.

With few recordings a network on thousands of channels learns the recordings by heart; what is left of each stream are
the directions in which its features differ most. Fitted on training recordings, not learned.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NarrowInput(nn.Module):
    """Principal components of streams, side by side.

    Args:
        num_channels: D of each stream.
        widths: How many components are kept of each, at most D.
    """

    mean: Tensor

    def __init__(self, num_channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.num_channels = list(num_channels)
        self.widths = [min(pair) for pair in zip(num_channels, widths, strict=True)]
        self.num_features = sum(self.widths)
        self.register_buffer("mean", torch.zeros(sum(num_channels)))
        for number, shape in enumerate(zip(self.num_channels, self.widths, strict=True)):
            self.register_buffer(f"basis{number}", torch.zeros(shape))

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Learn mean and components from the features of some steps, float32 (N, sum D).

        Channels are standardised before. Components are scaled together, so that their mean square over a stream is 1:
        what varies more counts more.
        """
        self.mean.copy_(features.mean(0))
        for number, own in enumerate((features - self.mean).split(self.num_channels, 1)):
            spread = own.std(0, correction=0)
            # A channel that never changes in training says nothing.
            scale = torch.where(spread > 1e-5, 1 / spread, torch.zeros_like(spread))
            width = self.widths[number]
            torch.manual_seed(0)  # the decomposition is a randomised one
            _, values, vectors = torch.pca_lowrank(own * scale, q=min(width + 8, *own.shape), center=False, niter=4)
            kept = vectors[:, :width]
            size = (values[:width].square().sum() / (len(own) * width)).sqrt().clamp_min(1e-6)
            basis = torch.zeros_like(getattr(self, f"basis{number}"))
            basis[:, : kept.shape[1]] = scale[:, None] * kept / size
            getattr(self, f"basis{number}").copy_(basis)

    def forward(self, features: Tensor) -> Tensor:
        """(..., sum D) -> (..., C)."""
        parts = (features - self.mean).split(self.num_channels, -1)
        return torch.cat([part @ getattr(self, f"basis{i}") for i, part in enumerate(parts)], -1)

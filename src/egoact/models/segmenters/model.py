"""A segmenter with its input: features of recordings in, log-probabilities of every step out.

Shapes: B recordings, F steps, D channels of all streams, C narrow features, K outputs of all targets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.linear_scores import chunks
from egoact.models.segmenters.segmenter import Segmenter, State, SteppingSegmenter, log_shares

CHUNK_STEPS = 2048


class NarrowInput(nn.Module):
    """The features of each stream, standardised and projected to their principal components, side by side.

    With few recordings a network on thousands of channels learns the recordings by heart; what is left of each stream
    are the directions in which its features differ most. Fitted on training recordings, not learned. `widths` is how
    many components are kept of each stream, at most as many as it has channels.
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
        """Learn mean and components from the features of some steps, float32 (N, D).

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
            basis = getattr(self, f"basis{number}").zero_()
            basis[:, : kept.shape[1]] = scale[:, None] * kept / size

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., C)."""
        parts = (features - self.mean).split(self.num_channels, -1)
        return torch.cat([part @ getattr(self, f"basis{i}") for i, part in enumerate(parts)], -1)


class Ensemble(nn.Module):
    """A narrow input, and one network or several, trained from other initial weights, whose answers are averaged.

    `sizes` are the classes of each target, background included.
    """

    def __init__(self, narrow: NarrowInput, members: Sequence[nn.Module], sizes: Sequence[int]) -> None:
        super().__init__()
        self.narrow, self.sizes = narrow, list(sizes)
        self.members = nn.ModuleList(members)

    @property
    def segmenters(self) -> tuple[Any, ...]:
        """The members."""
        return tuple(self.members)

    def narrow_recording(self, features: Any, chunk_steps: int = CHUNK_STEPS) -> Tensor:
        """All of a recording, (F, D), an array or what can be sliced like one -> (1, C, F), a hundredth of it."""
        starts = range(0, len(features), chunk_steps)
        return torch.cat([self._narrow(features[start : start + chunk_steps]) for start in starts]).T[None]

    def _narrow(self, features: np.ndarray) -> Tensor:
        return self.narrow(torch.from_numpy(np.array(features, np.float32)))


class DenseModel(Ensemble):
    """Segmenters whose log-probabilities are averaged."""

    @property
    def reach(self) -> tuple[int, int] | None:
        """Of the members; see `Segmenter`."""
        first: Segmenter = self.segmenters[0]
        return first.reach

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities of whole recordings, all steps there: (B, F, D) -> (B, K, F)."""
        return self.score_narrow(self.narrow(features).transpose(1, 2))

    def score_narrow(self, x: Tensor) -> Tensor:
        """The same of narrow features, (B, C, F)."""
        mask = torch.ones_like(x[:, :1])
        return self._average([member(x, mask)[-1] for member in self.members])

    def _average(self, logits: Sequence[Tensor]) -> Tensor:
        said = torch.stack([log_shares(each, self.sizes) for each in logits])
        return log_shares(said.mean(0), self.sizes)

    @torch.inference_mode()
    def score(self, features: np.ndarray, *, chunk_steps: int = CHUNK_STEPS) -> np.ndarray:
        """Log-probabilities of a recording, float16 (F, D), may be mapped -> float32 (F, K); see `chunks`."""
        if self.reach is None:
            return self.score_narrow(self.narrow_recording(features, chunk_steps))[0].T.numpy()
        parts = []
        for read, kept in chunks(len(features), chunk_steps, self.reach):
            parts.append(self.score_narrow(self._narrow(features[read]).T[None])[0].T[kept].numpy())
        return np.concatenate(parts)

    def initial_state(self, batch_size: int) -> tuple[State, ...]:
        """Of all members, which must step."""
        if not all(isinstance(member, SteppingSegmenter) for member in self.members):
            raise ValueError("this segmenter looks into the future, and cannot answer while things happen")
        return tuple(member.initial_state(batch_size) for member in self.segmenters)

    def step(self, features: Tensor, states: Sequence[State]) -> tuple[Tensor, tuple[State, ...]]:
        """Take in a step, (B, D): log-probabilities (B, K), and the states after it."""
        x = self.narrow(features)
        logits, later = zip(*(m.step(x, state) for m, state in zip(self.segmenters, states, strict=True)), strict=True)
        return self._average(logits), later

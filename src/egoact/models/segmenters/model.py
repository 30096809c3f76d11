"""A segmenter with its input: features of recordings in, log-probabilities of every step out."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.segmenters.narrow import NarrowInput
from egoact.models.segmenters.segmenter import Segmenter, State, SteppingSegmenter

CHUNK_STEPS = 2048


class DenseModel(nn.Module):
    """Narrow input, and one segmenter or several whose log-probabilities are averaged.

    Shapes: B recordings, F steps, D channels of all streams, K outputs of all targets.

    Args:
        narrow: What the features pass through.
        members: Segmenters, each trained from other initial weights.
        sizes: Classes of each target, background included.
    """

    def __init__(self, narrow: NarrowInput, members: Sequence[Segmenter], sizes: Sequence[int]) -> None:
        super().__init__()
        self.narrow = narrow
        self.members = nn.ModuleList(members)
        self.sizes = list(sizes)

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        """The members, by their type."""
        return tuple(member for member in self.members if isinstance(member, Segmenter))

    @property
    def reach(self) -> tuple[int, int] | None:
        """Of the members; see `Segmenter`."""
        return self.segmenters[0].reach

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities of whole recordings, all steps there: (B, F, D) -> (B, K, F)."""
        return self.score_narrow(self.narrow(features).transpose(1, 2))

    def score_narrow(self, x: Tensor) -> Tensor:
        """The same of narrow features, (B, C, F)."""
        mask = torch.ones_like(x[:, :1])
        said = [self.log_shares(member(x, mask)[-1]) for member in self.segmenters]
        return self.log_shares(torch.stack(said).mean(0))

    def log_shares(self, logits: Tensor) -> Tensor:
        """Logits of all targets -> log-probabilities of each; classes are axis 1."""
        return torch.cat([part.log_softmax(1) for part in logits.split(self.sizes, dim=1)], 1)

    @torch.inference_mode()
    def score(self, features: np.ndarray, *, chunk_steps: int = CHUNK_STEPS) -> np.ndarray:
        """Log-probabilities of a recording, float16 (F, D), may be mapped -> float32 (F, K).

        It is taken in chunks that overlap by the reach of the segmenter, so that they say what the whole would say,
        in memory that does not grow with the features.
        """
        return np.concatenate(list(self._score_chunks(features, chunk_steps)))

    def _score_chunks(self, features: np.ndarray, chunk_steps: int) -> Iterator[np.ndarray]:
        num_steps = len(features)
        if self.reach is None:  # the features of all steps once they are narrow: a hundredth of them
            parts = [self._narrow(features[a : a + chunk_steps]) for a in range(0, num_steps, chunk_steps)]
            yield self.score_narrow(torch.cat(parts).T[None])[0].T.numpy()
            return
        before, after = self.reach
        for start in range(0, num_steps, chunk_steps):
            stop = min(start + chunk_steps, num_steps)
            first, last = max(start - before, 0), min(stop + after, num_steps)
            said = self.score_narrow(self._narrow(features[first:last]).T[None])[0].T
            yield said[start - first : stop - first].numpy()

    def _narrow(self, features: np.ndarray) -> Tensor:
        return self.narrow(torch.from_numpy(np.array(features, np.float32)))

    def initial_state(self, batch_size: int) -> tuple[State, ...]:
        """Of all members, which must step."""
        return tuple(member.initial_state(batch_size) for member in self._stepping())

    def step(self, features: Tensor, states: Sequence[State]) -> tuple[Tensor, tuple[State, ...]]:
        """Take in a step, (B, D): log-probabilities (B, K), and the states after it."""
        x = self.narrow(features)
        both = [member.step(x, state) for member, state in zip(self._stepping(), states, strict=True)]
        said = torch.stack([self.log_shares(logits) for logits, _ in both]).mean(0)
        return self.log_shares(said), tuple(state for _, state in both)

    def _stepping(self) -> list[SteppingSegmenter]:
        found = [member for member in self.segmenters if isinstance(member, SteppingSegmenter)]
        if len(found) < len(self.members):
            raise ValueError("this segmenter looks into the future, and cannot answer while things happen")
        return found

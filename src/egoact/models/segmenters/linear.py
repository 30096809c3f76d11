"""Ridge regression on what windows around a step show: for few recordings, where networks learn them by heart.

What tells actions apart is less what is seen at a moment than how it differs over the seconds around it.

    mean     ---[~~~~~~~~~~~~~~~]---        of every channel, in windows of several lengths
    spread   ---[~~~~~~~~~~~~~~~]---        its standard deviation there
    change   ---[~~~~~~~)[~~~~~~~]--        second half minus first half

Shapes: F steps, N of them to learn from, D channels of all streams, W kinds of windows, K outputs of all targets.
"""

import copy
from collections.abc import Collection, Iterator, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from egoact.models.linear_scores import (
    CHUNK_STEPS,
    LEAST_VARIANCE,
    SHARPNESS,
    WINDOWS,
    LinearScorer,
    chunks,
    windows_in_steps,
)
from egoact.models.segmenters.segmenter import State, log_shares

MOST_ROWS = 3000
_SCALE_OF_PENALTY = 10.0


class LinearSegmenter(nn.Module):
    """Scores every step by a linear function of windows around it (ridge regression, Hoerl and Kennard 1970).

    Streams and kinds of windows weigh the same, however many channels they have; `penalty` is that of the weights.
    Other arguments are those of `LinearScorer`.
    """

    center: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        num_channels: Sequence[int],
        sizes: Sequence[int],
        *,
        rate: int,
        penalty: float = 1.0,
        is_causal: bool = False,
    ) -> None:
        super().__init__()
        self.num_channels, self.sizes = list(num_channels), list(sizes)
        self.penalty, self.is_causal = penalty, is_causal
        self.rate, self.windows = rate, windows_in_steps(rate)
        self.register_buffer("center", torch.zeros(sum(num_channels)))
        self.register_buffer("weight", torch.zeros(len(WINDOWS), sum(num_channels), sum(sizes)))
        self.register_buffer("bias", torch.zeros(sum(sizes)))

    @property
    def _scorer(self) -> LinearScorer:
        center, weight, bias = (each.numpy() for each in (self.center, self.weight, self.bias))
        return LinearScorer(center, weight, bias, self.sizes, self.rate, self.is_causal)

    @property
    def reach(self) -> tuple[int, int]:
        """Steps before and after a step that its scores depend on."""
        return self._scorer.reach

    def score(self, features: np.ndarray, *, chunk_steps: int = CHUNK_STEPS) -> np.ndarray:
        """Log-probabilities of a recording, (F, D), may be mapped -> float32 (F, K)."""
        return self._scorer.score(features, chunk_steps=chunk_steps)

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities of every step of a recording, float32 (F, D) -> (F, K)."""
        said = self.bias[:, None]
        for weight, shown in zip(self.weight, self.windows_of(features), strict=True):
            said = said + weight.T @ shown
        return log_shares(said.T * SHARPNESS, self.sizes)

    def windows_of(self, features: Tensor) -> Iterator[Tensor]:
        """What each kind of window of every step shows: float32 (F, D) -> W times (D, F)."""
        x = (features - self.center).T.contiguous()
        mean = cache(partial(window_mean, x))
        length = features.shape[0]
        for kind, half in self.windows:
            around = (2 * half, 0) if self.is_causal else (half, half)
            if kind == "mean":
                yield mean(*around)
            elif kind == "spread":
                yield _spread(window_mean(x.square(), *around), mean(*around))
            elif self.is_causal:
                late = mean(half - 1, 0)
                change = torch.cat([torch.zeros_like(late[:, :half]), late[:, half:] - late[:, :-half]], 1)
                yield change[:, :length]
            else:
                places, whole = torch.arange(length), mean(*around)
                yield whole[:, (places + half).clamp_max(length - 1)] - whole[:, (places - half).clamp_min(0)]

    def initial_state(self, batch_size: int) -> State:
        """What is known before the first step: the last steps (B, R, D), and how many of them there are (B, 1)."""
        if not self.is_causal:
            raise ValueError("this segmenter looks into the future, and cannot answer while things happen")
        num_steps = self.reach[0] + 1
        return self.center.new_zeros(batch_size, num_steps, len(self.center)), self.center.new_zeros(batch_size, 1)

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Take in a step, (B, D): log-probabilities (B, K), and the state after it."""
        last, count = state
        last = torch.cat([last[:, 1:], (features - self.center)[:, None]], 1)
        count = count + 1
        said = self.bias
        for number, (kind, half) in enumerate(self.windows):
            mean = _mean_of_last(last, count, 2 * half + 1)
            if kind == "spread":
                mean = _spread(_mean_of_last(last.square(), count, 2 * half + 1), mean)
            elif kind == "change":
                change = _mean_of_last(last, count, half) - _mean_of_last(last[:, :-half], count - half, half)
                mean = torch.where(count > half, change, torch.zeros_like(change))
            said = said + mean @ self.weight[number]
        return log_shares(said * SHARPNESS, self.sizes), (last, count)


class LinearDesign:
    """Windows of the steps to learn from, computed once for all trainings on some of the recordings.

    Args:
        model: What is trained; not changed.
        recordings: Features, float16 or float32 (F, D) each; of more than `MOST_ROWS` steps evenly spread ones count.
        labels: int64 (targets, F) each; -1 where nothing is known.
    """

    @torch.no_grad()
    def __init__(self, model: LinearSegmenter, recordings: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> None:
        self.model = copy.deepcopy(model)
        known = [np.flatnonzero((each >= 0).any(axis=0)) for each in labels]
        every = max(1, -(-sum(map(len, known)) // MOST_ROWS))
        rows = [each[::every] for each in known]
        self._recording_of_row = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        count = max(len(self._recording_of_row), 1)
        totals = [_wide(f[chosen]).sum(0) for f, chosen in zip(recordings, rows, strict=True)]
        self.model.center.copy_(torch.stack(totals).sum(0) / count)
        # In float16 they are a third of a gigabyte at most.
        parts = [self._windows(features, chosen) for features, chosen in zip(recordings, rows, strict=True)]
        self._windows_of_row = [torch.cat(each) for each in zip(*parts, strict=True)]  # W times (N, D)
        widths = torch.tensor(model.num_channels, dtype=torch.float32)
        root = widths.sqrt().repeat_interleave(torch.tensor(model.num_channels))
        self._mean, self._scale = [], []
        self._gram = torch.zeros(count, count, dtype=torch.float64)
        for shown in self._windows_of_row:
            wide = shown.float()
            spread = wide.std(0, correction=0)
            self._mean.append(wide.mean(0))
            # A channel that never changes in training says nothing.
            self._scale.append(torch.where(spread > 1e-3, 1 / (spread * root), torch.zeros_like(spread)))
            x = (wide - self._mean[-1]) * self._scale[-1]
            self._gram += (x @ x.T).double()
        answers = [self._one_hot(each[:, chosen]) for each, chosen in zip(labels, rows, strict=True)]
        self._wanted, self._is_known = (torch.cat(part) for part in zip(*answers, strict=True))

    @torch.no_grad()
    def fit(self, chosen: Collection[int]) -> LinearSegmenter:
        """A model trained on some of the recordings, by their numbers."""
        rows = torch.from_numpy(np.flatnonzero(np.isin(self._recording_of_row, list(chosen))))
        wanted, is_known = self._wanted[rows], self._is_known[rows]
        mean_wanted = wanted.sum(0) / is_known.sum(0).clamp_min(1)
        # A target of which nothing is known at a step asks for nothing there.
        rest = torch.where(is_known, wanted - mean_wanted, torch.zeros_like(wanted))
        gram = self._gram[rows][:, rows]
        gram.diagonal().add_(self.model.penalty * _SCALE_OF_PENALTY)
        dual = torch.cholesky_solve(rest, torch.linalg.cholesky(gram)).float()
        model = copy.deepcopy(self.model)
        model.bias.copy_(mean_wanted)
        for number, (shown, mean, scale) in enumerate(zip(self._windows_of_row, self._mean, self._scale, strict=True)):
            weight = shown[rows].float().T @ dual - torch.outer(mean, dual.sum(0))
            model.weight[number] = weight * scale.square()[:, None]
            model.bias -= mean @ model.weight[number]
        return model.eval()

    def _windows(self, features: np.ndarray, rows: np.ndarray) -> list[Tensor]:
        """W times the chosen steps of a recording, float16 (N, D)."""
        parts: list[list[Tensor]] = []
        for read, kept in chunks(len(features), CHUNK_STEPS, self.model.reach):
            places = rows - read.start
            mine = places[(places >= kept.start) & (places < kept.stop)]
            if len(mine):
                parts.append([each[:, mine].T.half() for each in self.model.windows_of(_wide(features[read]))])
        joined = [torch.cat(each) for each in zip(*parts, strict=True)]
        return joined or [torch.empty(0, len(self.model.center), dtype=torch.float16)] * len(self.model.windows)

    def _one_hot(self, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        """Wanted answers (N, K), and which of them are known."""
        wanted, known = [], []
        for target, size in enumerate(self.model.sizes):
            ids = torch.from_numpy(labels[target])
            wanted.append(functional.one_hot(ids.clamp_min(0), size).double() * (ids >= 0)[:, None])
            known.append((ids >= 0)[:, None].expand(-1, size))
        return torch.cat(wanted, 1), torch.cat(known, 1)


def window_mean(x: Tensor, before: int, after: int) -> Tensor:
    """Mean of every step with those `before` and `after` it, as far as there are any: (D, F) -> (D, F)."""
    length, last = before + after + 1, x.shape[1] - 1
    places = torch.arange(x.shape[1])
    counts = (places + after).clamp_max(last) - (places - before).clamp_min(0) + 1
    summed = functional.avg_pool1d(functional.pad(x[None], (before, after)), length, stride=1)[0]
    return summed * (length / counts)


def _spread(mean_square: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation; a little is added, because near 0 the root would make much of rounding."""
    return ((mean_square - mean.square()).clamp_min(0) + LEAST_VARIANCE).sqrt()


def _mean_of_last(steps: Tensor, count: Tensor, length: int) -> Tensor:
    """Mean of the newest steps, (B, R, D) -> (B, D); those that there are not yet are zeros."""
    return steps[:, -length:].sum(1) / count.clamp(1, length)


def _wide(features: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(features, np.float32))

"""Batches of features and labels, gathered by vectorised reads of the store, one ahead; no worker processes needed.

Shapes: N clips, B of them in a batch, V views, T frames, S stores; features (B, T, D) or (B, T, C, h, w), labels (B,).
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from egoact.store.concatenation import FeatureSource


@dataclass(frozen=True)
class Batch:
    """Some clips."""

    features: Tensor  # float16 (B, T, ...)
    labels: dict[str, Tensor]  # target -> int64 (B,)
    positions: Tensor  # int64 (B,), which clips of the set these are

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "Batch":
        """The same on another device, as `torch.Tensor.to`; Lightning calls it."""
        labels = {target: values.to(device, non_blocking=non_blocking) for target, values in self.labels.items()}
        return Batch(self.features.to(device, non_blocking=non_blocking), labels, self.positions)


def shuffled(
    rows: np.ndarray, *, seed: int, epoch: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which clips an epoch takes, and which view of each: two of int64 (N,).

    Args:
        rows: (N, V, ...), as from `locate`.
        seed: Of the training.
        epoch: Its number; with the seed it says everything, so that a resumed training sees what an unbroken one would.
        weights: float64 (N,): draw N clips with these odds, with replacement, instead of each once.
    """
    random, order = np.random.default_rng((seed, epoch)), np.arange(len(rows))
    order = (
        random.permutation(order) if weights is None else random.choice(order, len(order), p=weights / weights.sum())
    )
    return order, random.integers(rows.shape[1], size=len(order))


class ClipBatches:
    """The clips of one split, batch by batch; iterate anew for each epoch.

    Args:
        store: Where the features are.
        rows: int64 (N, V, T) or (N, V, T, S), as from `locate`.
        labels: Target -> int64 (N,).
        batch_size: B.
        seed: Of shuffling and of the choice of views.
        shuffle: In another order each epoch; also takes a random view of each clip, else view 0.
        weights: float64 (N,): draw N clips with these odds, with replacement, instead of each once.
        epoch: Tells which epoch it is, so that a resumed training sees what an unbroken one would.
        rank: Number of this process among `world_size`; it gets every `world_size`-th clip.
        world_size: Processes that share the work.
    """

    def __init__(
        self,
        store: FeatureSource,
        rows: np.ndarray,
        labels: Mapping[str, np.ndarray],
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        weights: np.ndarray | None = None,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if any(len(values) != len(rows) for values in labels.values()):
            raise ValueError(f"{len(rows)} clips, but labels of {[len(v) for v in labels.values()]}")
        if not len(rows):
            raise ValueError("there are no clips")
        self.store, self.rows, self.labels = store, rows, dict(labels)
        self.batch_size, self.seed, self.shuffle, self.weights = batch_size, seed, shuffle, weights
        self.epoch, self.rank, self.world_size = epoch, rank, world_size

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-self._share // self.batch_size)

    @property
    def _share(self) -> int:
        """Clips that this process gets; shuffled epochs give each process equally many."""
        if self.shuffle:
            return max(len(self.rows) // self.world_size, 1)
        return len(range(self.rank, len(self.rows), self.world_size))

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.rows))
        views = np.zeros(len(self.rows), dtype=np.int64)
        if self.shuffle:
            order, views = shuffled(self.rows, seed=self.seed, epoch=self.epoch(), weights=self.weights)
        mine = order[self.rank :: self.world_size][: self._share]
        views = views[self.rank :: self.world_size][: self._share]
        # While a batch is learned from, the next one is read: from a disk that takes as long, and never in the way.
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
            coming: Future[Batch] | None = None
            for start in range(0, len(mine), self.batch_size):
                part = slice(start, start + self.batch_size)
                following = reader.submit(self._gather, mine[part], views[part])
                if coming is not None:
                    yield coming.result()
                coming = following
            if coming is not None:
                yield coming.result()

    def _gather(self, positions: np.ndarray, views: np.ndarray) -> Batch:
        features = self.store.gather(self.rows[positions], views=views)
        labels = {target: torch.from_numpy(values[positions]) for target, values in self.labels.items()}
        return Batch(torch.from_numpy(features), labels, torch.from_numpy(positions))

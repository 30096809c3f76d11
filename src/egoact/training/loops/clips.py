"""The clips of one side of a split where they are learned from: on the device if they fit, else read as they come.

Shapes: N clips, B of them in a batch, V views, T frames; features (B, T, D) or (B, T, C, h, w), embeddings (B, E).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from egoact.store.concatenation import FeatureSource, clips_at_once

_HELD_BYTES = 2**29  # on a CPU: what is not copied is in the page cache
Part = tuple[np.ndarray, np.ndarray]  # positions of clips and a view of each, int64 (B,)


def shuffled(
    rows: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    weights: np.ndarray | None = None,
    rank: int = 0,
    num_processes: int = 1,
) -> list[Part]:
    """Which clips each step of an epoch takes, and which view of each.

    Args:
        rows: (N, V, ...), as from `locate`.
        batch_size: Clips of a step.
        seed: Of the training.
        epoch: Its number; with the seed it says everything, so that a resumed training sees what an unbroken one would.
        weights: float64 (N,): draw N clips with these odds, with replacement, instead of each once.
        rank: Number of this process, which gets every `num_processes`-th clip.
        num_processes: That take as many steps each: what is left over waits for another epoch.
    """
    random, order = np.random.default_rng((seed, epoch)), np.arange(len(rows))
    order = (
        random.permutation(order) if weights is None else random.choice(order, len(order), p=weights / weights.sum())
    )
    views, most = random.integers(rows.shape[1], size=len(order)), len(rows) // num_processes
    order, views = order[rank::num_processes][:most], views[rank::num_processes][:most]
    return [(order[i : i + batch_size], views[i : i + batch_size]) for i in range(0, most, batch_size)]


class Clips:
    """Features and labels by position.

    Args:
        store: Where the features are.
        rows: int64 (N, V, T) or (N, V, T, S), as from `locate`.
        labels: Target -> int64 (N,).
        device: Where they are wanted.
        embed: A head that training does not change; what it makes of each clip, (B, E), then stands for the clip.
    """

    def __init__(
        self,
        store: FeatureSource,
        rows: np.ndarray,
        labels: Mapping[str, np.ndarray],
        *,
        device: torch.device,
        embed: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.store, self.rows, self.device = store, rows, device
        self.labels = {target: torch.from_numpy(values).to(device) for target, values in labels.items()}
        self.is_embedded = False
        self._held: Tensor | None = None  # (N V, ...)
        self._hold(embed)

    def __len__(self) -> int:
        return len(self.rows)

    def in_order(self, rank: int = 0, num_processes: int = 1) -> list[Part]:
        """View 0 of every clip of a process once, in parts of a size that can be looked at at once."""
        positions = np.arange(rank, len(self), num_processes)
        cuts = range(self._step, len(positions), self._step)
        return [(part, np.zeros_like(part)) for part in np.split(positions, list(cuts))]

    def read(self, parts: Sequence[Part]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Features, float32 (B, T, ...), or embeddings, (B, E), and labels of each part."""
        sizes = [len(positions) for positions, _ in parts]
        where = torch.from_numpy(np.concatenate([positions for positions, _ in parts])).to(self.device)
        views = torch.from_numpy(np.concatenate([views for _, views in parts])).to(self.device)
        places = (where * self.rows.shape[1] + views).split(sizes)
        for features, positions in zip(self._features(parts, places), where.split(sizes), strict=True):
            yield features.float(), {target: values[positions] for target, values in self.labels.items()}

    def _features(self, parts: Sequence[Part], places: Sequence[Tensor]) -> Iterator[Tensor]:
        if self._held is not None:
            for place in places:
                yield self._held.index_select(0, place)
            return
        # While a part is learned from, the next one is read: from a disk that takes as long, and never in the way.
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
            coming: list[Future[Tensor]] = []
            for part in parts:
                coming.append(reader.submit(self._pinned, *part))
                if len(coming) > 1:
                    yield coming.pop(0).result().to(self.device, non_blocking=True)
            yield coming.pop(0).result().to(self.device, non_blocking=True)

    def _gather(self, positions: np.ndarray, views: np.ndarray) -> Tensor:
        return torch.from_numpy(self.store.gather(self.rows[positions], views=views))

    def _pinned(self, positions: np.ndarray, views: np.ndarray) -> Tensor:
        """In memory that a GPU copies from by itself, while this process goes on."""
        part = self._gather(positions, views)
        return part.pin_memory() if self.device.type == "cuda" else part

    @property
    def _step(self) -> int:
        return clips_at_once(self.store, self.rows.shape[2])

    def _hold(self, embed: Callable[[Tensor], Tensor] | None) -> None:
        """Copy all views of all clips, or what they are embedded as, if they are not too many."""
        whole: Tensor | None = None
        num_clips, num_views = self.rows.shape[:2]
        places = np.arange(num_clips * num_views)
        for start in range(0, len(places), self._step):
            chosen = places[start : start + self._step]
            part = self._gather(chosen // num_views, chosen % num_views).to(self.device)
            if embed is not None:
                with torch.no_grad():
                    part = embed(part.float())
            if whole is None:
                size = part[0].nbytes * len(places)
                if size > _most_bytes(self.device):
                    return
                whole = part.new_empty((len(places), *part.shape[1:]))
            whole[start : start + len(part)] = part
        self._held, self.is_embedded = whole, embed is not None


def _most_bytes(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else _HELD_BYTES

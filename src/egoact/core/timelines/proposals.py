"""Where actions may be, before it is decided: proposals of classes and times, thinned out, and paired to verb and noun.

    scores of every step ──► proposals ─┐
    detector ──────────────► proposals ─┴─► pairs of verb and noun ──► soft-NMS ──► detections

Knows nothing about models or files. Shapes: F steps, K classes, N proposals.

Source: Soft-NMS, arXiv:1704.04503.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.detection import temporal_overlaps

THRESHOLDS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)  # of the share of a class; each cuts its own stretches out of a recording
NUM_PARTNERS = 3  # nouns that a verb is paired with, and the other way round
MOST_OF_A_CLASS = 200
_SIGMA = 0.5  # of soft-NMS
_LEAST = 1e-3  # score of what is kept

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Proposals:
    """Where actions may be."""

    spans: Floats  # (N, 2), beginnings and ends in steps
    classes: Classes  # (N,), or (N, targets) where they are paired
    scores: Floats  # (N,), how probable each is, 0 to 1

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Proposals":
        """Some of them."""
        return Proposals(self.spans[rows], self.classes[rows], self.scores[rows])

    @classmethod
    def join(cls, parts: Sequence["Proposals"]) -> "Proposals":
        """All of at least one part."""
        columns = zip(*((part.spans, part.classes, part.scores) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


def proposals_of_scores(shares: Floats) -> Proposals:
    """Stretches where a class has at least a share, for several shares; the score is its mean share there.

    `shares` are probabilities of every step, (F, K + 1), background last.

    >>> proposals_of_scores(np.array([[0.0, 1.0], [0.6, 0.4], [0.8, 0.2], [0.0, 1.0]])).spans.tolist()
    [[1.0, 3.0], [2.0, 3.0]]
    """
    found: dict[tuple[int, int, int], float] = {}
    for least in THRESHOLDS:
        inside = np.zeros((len(shares) + 2, shares.shape[1] - 1), dtype=np.int8)
        inside[1:-1] = shares[:, :-1] >= least
        changes = np.diff(inside, axis=0).T
        classes, starts = np.nonzero(changes == 1)
        stops = np.nonzero(changes == -1)[1]
        for kind, start, stop in zip(classes.tolist(), starts.tolist(), stops.tolist(), strict=True):
            found[kind, start, stop] = float(shares[start:stop, kind].mean())
    table = np.array([[*key, score] for key, score in found.items()], dtype=np.float64).reshape(-1, 4)
    return Proposals(table[:, 1:3], table[:, 0].astype(np.int64), table[:, 3])


def pair_targets(proposals: Mapping[str, Proposals], shares: Mapping[str, Floats]) -> Proposals:
    """Proposals of all targets as proposals of verb and noun together; of a single target as they are.

    A proposal of one target gets the classes of the other that are the most probable while it lasts, and its score is
    multiplied by their share among all classes there.

    `shares` are probabilities of every step, (F, K + 1), background last; classes become (N, targets), in the order of
    `proposals`.
    """
    targets = list(proposals)
    if len(targets) == 1:
        (only,) = proposals.values()
        return Proposals(only.spans, only.classes[:, None], only.scores)
    parts = []
    for column, target in enumerate(targets):
        own, others = proposals[target], shares[targets[1 - column]][:, :-1]
        sums = np.concatenate([np.zeros((1, others.shape[1])), others.cumsum(0)])
        first = np.clip(np.floor(own.spans[:, 0]).astype(np.int64), 0, len(others) - 1)
        last = np.clip(np.ceil(own.spans[:, 1]).astype(np.int64), first + 1, len(others))
        weights = sums[last] - sums[first]
        weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
        for partner in np.argsort(-weights, axis=1, kind="stable")[:, :NUM_PARTNERS].T:
            both = np.stack([own.classes, partner], 1)
            scores = own.scores * weights[np.arange(len(own)), partner]
            parts.append(Proposals(own.spans, both if column == 0 else both[:, ::-1], scores))
    return Proposals.join(parts)


def suppress(proposals: Proposals) -> Proposals:
    """Soft-NMS within each class (N, targets): the more a proposal overlaps a surer one, the less sure it becomes."""
    kept: list[Proposals] = []
    names, members = np.unique(proposals.classes, axis=0, return_inverse=True)
    for number in range(len(names)):
        rows = np.flatnonzero(members.reshape(-1) == number)
        rows = rows[np.argsort(-proposals.scores[rows], kind="stable")][:MOST_OF_A_CLASS]
        kept.append(_soften(proposals.select(rows)))
    return Proposals.join(kept) if kept else proposals


def _soften(of_class: Proposals) -> Proposals:
    scores, order = of_class.scores.copy(), []
    is_left = scores > _LEAST
    while is_left.any():
        best = int(np.where(is_left, scores, -1.0).argmax())
        order.append(best)
        is_left[best] = False
        overlaps = temporal_overlaps(of_class.spans[best, 0], of_class.spans[best, 1], of_class.spans[is_left])
        scores[is_left] *= np.exp(-(overlaps**2) / _SIGMA)
        is_left &= scores > _LEAST
    chosen = np.array(order, dtype=np.int64)
    return Proposals(of_class.spans[chosen], of_class.classes[chosen], scores[chosen])

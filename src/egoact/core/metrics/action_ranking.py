"""The best actions of a segment from its verb and noun scores, as the EPIC-KITCHENS challenge ranks them.

Shapes: `N` segments, `V` verbs, `M` nouns, `K` pairs kept.

An action is a pair; its score is P(verb) x P(noun), over the 100 best verbs and 100 best nouns, and the best 100
pairs are kept. Two ways to make probabilities of scores:

- `per_segment`: softmax within each segment. Ranking by the product is ranking by the sum of the two scores,
  which is what is computed: nothing can underflow.
- `published`: as the challenge's evaluator does it, one softmax over the array of *all* segments, in single
  precision. Inside a segment the ranking is the same until numbers underflow: one segment with a logit 110 above
  the others turns all their probabilities to 0, hence all their pairs into ties, which count as wrong.

Source: Rescaling Egocentric Vision, arXiv:2006.13256, and its action recognition challenge.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.accuracy import Labels, ScoreArray, check_labels, check_scores

ActionScoring = Literal["per_segment", "published"]

_NUM_BEST = 100  # verbs, nouns and pairs
_CHUNK_SEGMENTS = 2048


@dataclass(frozen=True)
class ActionRanking:
    """The best pairs of every segment, best first: class ids and what they are ranked by, (N, K) each.

    That is the sum of both scores (`per_segment`), or the product of both probabilities (`published`).
    """

    verbs: npt.NDArray[np.int64]
    nouns: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def count_better(self, verb_labels: Labels, noun_labels: Labels) -> npt.NDArray[np.int64]:
        """How many other pairs score at least as high as the true one, (N,); K where that is not among the best K."""
        for labels in (verb_labels, noun_labels):
            check_labels(labels, num_classes=np.iinfo(np.int64).max)
            if len(labels) != len(self.scores):
                raise ValueError(f"{len(labels)} labels for {len(self.scores)} segments")
        is_true = (self.verbs == verb_labels[:, None]) & (self.nouns == noun_labels[:, None])
        true_scores = np.where(is_true, self.scores, -np.inf).max(axis=1, keepdims=True)
        better: npt.NDArray[np.int64] = (self.scores >= true_scores).sum(axis=1)
        return np.where(is_true.any(axis=1), better - 1, better)


def action_ranking(
    verb_scores: ScoreArray, noun_scores: ScoreArray, *, scoring: ActionScoring = "per_segment"
) -> ActionRanking:
    """Rank verb-noun pairs; memory stays small, whatever N is.

    With the classes sorted, the pair of the i-th best verb and the j-th best noun has i x j - 1 others that are at
    least as good, so only the pairs with i x j <= K can be among the best K: 482 of 10,000 for K = 100.

    Scores are (N, V) and (N, M), of any scale, higher is better.

    Returns:
        The best K = min(100, V x M) pairs. Equal scores: the higher class id comes first, verbs before nouns.
    """
    for scores in (verb_scores, noun_scores):
        check_scores(scores)
    if len(verb_scores) != len(noun_scores):
        raise ValueError(f"{len(verb_scores)} rows of verb scores, {len(noun_scores)} of noun scores")
    if scoring not in get_args(ActionScoring):
        raise ValueError(f"scoring is {scoring!r}; allowed: {', '.join(get_args(ActionScoring))}")
    # The best classes first; the higher id first among equals.
    verbs, nouns = (np.argsort(s, axis=1, kind="stable")[:, ::-1][:, :_NUM_BEST] for s in (verb_scores, noun_scores))
    both = ((verb_scores, verbs), (noun_scores, nouns))
    values: list[ScoreArray] = [np.take_along_axis(scores, classes, axis=1) for scores, classes in both]
    is_published = scoring == "published"
    combine: Any = np.multiply if is_published else np.add
    verb_values, noun_values = (_softmax_of_everything(v) if is_published else v.astype(np.float64) for v in values)
    num_pairs = verbs.shape[1] * nouns.shape[1]
    verb_ranks, noun_ranks = np.divmod(np.arange(num_pairs), nouns.shape[1])
    possible = (verb_ranks + 1) * (noun_ranks + 1) <= _NUM_BEST
    verb_ranks, noun_ranks = verb_ranks[possible], noun_ranks[possible]
    parts = []
    for start in range(0, len(verbs), _CHUNK_SEGMENTS):
        rows = slice(start, start + _CHUNK_SEGMENTS)
        with np.errstate(under="ignore"):
            products = combine(verb_values[rows][:, verb_ranks], noun_values[rows][:, noun_ranks])
        pair_scores = products.astype(np.float64)
        order = np.argsort(-pair_scores, axis=1, kind="stable")[:, :_NUM_BEST]
        best_verbs = np.take_along_axis(verbs[rows], verb_ranks[order], axis=1)
        best_nouns = np.take_along_axis(nouns[rows], noun_ranks[order], axis=1)
        parts.append((best_verbs, best_nouns, np.take_along_axis(pair_scores, order, axis=1)))
    return ActionRanking(*map(np.concatenate, zip(*parts, strict=True)))


def _softmax_of_everything(scores: ScoreArray) -> npt.NDArray[np.float32]:
    precise = scores.astype(np.result_type(scores, np.float32))
    with np.errstate(over="ignore", under="ignore"):  # Too far below the best is 0 here: that is the point.
        exponentials = np.exp((precise - precise.max()).astype(np.float32))
        shares: npt.NDArray[np.float32] = exponentials / exponentials.sum()
    return shares

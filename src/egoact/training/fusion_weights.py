"""Weights of the stores in late fusion, searched on training recordings that the models have not seen.

What a model says of clips that it was trained on is nearly always right, whatever the store: weights that are learned
from that tell little of how much each store is worth.

Source: scores of two streams fused by a weighted average, Simonyan and Zisserman 2014, arXiv:1406.2199.

Shapes: S stores, N clips, K classes.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from egoact.core.annotations.segments import split_into_folds
from egoact.models.classifier import ActionClassifier
from egoact.models.fusion import LateClassifier
from egoact.training.data import TrainingData, finite_features

_STEPS = 10  # of a weight, from 0 to 1


def search_weights(
    data: TrainingData,
    labels: Mapping[str, np.ndarray],
    train: Callable[[TrainingData, int], ActionClassifier],
    *,
    num_folds: int,
    seed: int,
) -> dict[str, tuple[float, ...]]:
    """Leave groups of recordings out in turn, and ask about them; at most as many groups as recordings.

    `labels` are those of all training clips, int64 (N,) of each classifier; `train` gives a model of late fusion from
    some of the clips and the number of the fold.

    Returns:
        Classifier -> the weight of each store, 0 to 1, together 1.

    Raises:
        ValueError: One recording alone.
    """
    recordings = np.array([segment.video_id for segment in data.training.table])
    num_folds = min(num_folds, len(set(recordings)))
    if num_folds < 2:
        raise ValueError("--fusion-folds leaves out recordings, and there is only one to train on")
    said: dict[str, list[Tensor]] = {target: [] for target in labels}
    order = []
    for number, videos in enumerate(split_into_folds(recordings.tolist(), num_folds=num_folds, seed=seed)):
        out = np.isin(recordings, videos)
        model = train(data.select(~out), number).eval()
        for target, scores in _held_out(model, data.select(out)):
            said[target].append(scores)
        order.append(np.flatnonzero(out))
    places = np.concatenate(order)
    return {
        target: best_weights(torch.cat(said[target], 1), torch.from_numpy(wanted[places]))
        for target, wanted in labels.items()
    }


@torch.no_grad()
def _held_out(model: ActionClassifier, data: TrainingData) -> Iterator[tuple[str, Tensor]]:
    """Classifier -> what each store says of clips, log-probabilities (S, N, K)."""
    embedded = torch.cat([model.embed(features) for features in finite_features(data.store, data.training)])
    for target, classifier in model.classifiers.items():
        assert isinstance(classifier, LateClassifier)
        yield target, torch.stack([logits.log_softmax(1) for logits in classifier.apart(embedded)])


def best_weights(said: Tensor, labels: Tensor) -> tuple[float, ...]:
    """The weights under whose mean the labels are most likely: log-probabilities (S, N, K), int64 (N,)."""
    grid = list(_grid(len(said)))
    fused = [torch.einsum("s,snk->nk", torch.tensor(weights), said) for weights in grid]
    losses = [float(torch.nn.functional.cross_entropy(each, labels)) for each in fused]
    return grid[int(np.argmin(losses))]


def _grid(num_stores: int) -> Iterator[tuple[float, ...]]:
    """All weights that are multiples of a tenth and together 1."""
    for bars in combinations(range(_STEPS + num_stores - 1), num_stores - 1):
        edges = (-1, *bars, _STEPS + num_stores - 1)
        yield tuple((b - a - 1) / _STEPS for a, b in zip(edges, edges[1:], strict=False))

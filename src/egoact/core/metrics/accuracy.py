"""How good scores are: arrays in, numbers out; knows nothing about files or models.

Shapes: `N` segments, `C` classes; scores (N, C), of any scale, higher is better; labels (N,), class ids. Accuracies are
percentages, 0 to 100. What does not fit is a `ValueError`.

**Ties.** A true class is among the best k when fewer than k *other* classes score at least as high. Equal scores
thus count against the answer: all-equal scores are right about nothing, whichever class is the most frequent.
Where a single answer is needed (`predict_classes`), the highest class id among equals is taken.

**Baselines** are what answers without looking achieve, told only how frequent the classes of a *reference* are: of the
training set, or of the evaluated set itself (no constant answer is better on it than `majority_baseline`). An action is
one label, too: the most frequent *pair*, not the most frequent verb with the most frequent noun.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

ScoreArray = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

TOP_K = (1, 3, 5)


def top_k_accuracy(scores: ScoreArray, labels: Labels, *, k: int) -> float:
    """Share of segments whose true class is among the k best, in percent; from k = C on everything is right."""
    if k < 1:
        raise ValueError(f"k is {k}; at least 1 answer is needed")
    return float(100 * np.mean(count_better(scores, labels) < k))


def predict_classes(scores: ScoreArray) -> npt.NDArray[np.int64]:
    """The best class of every segment, (N,); the highest id among equals."""
    result: npt.NDArray[np.int64] = scores.shape[1] - 1 - np.argmax(scores[:, ::-1], axis=1).astype(np.int64)
    return result


def confusion_matrix(labels: Labels, predictions: Labels, *, num_classes: int) -> npt.NDArray[np.int64]:
    """Counts of true class (rows) against predicted class (columns), (C, C)."""
    check_labels(labels, num_classes=num_classes)
    check_labels(predictions, num_classes=num_classes, what="predictions")
    if len(labels) != len(predictions):
        raise ValueError(f"{len(labels)} labels for {len(predictions)} predictions")
    pairs = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def count_better(scores: ScoreArray, labels: Labels) -> npt.NDArray[np.int64]:
    """How many other classes score at least as high as the true one, (N,): 0 is a right first answer."""
    check_scores(scores)
    check_labels(labels, num_classes=scores.shape[1])
    if len(labels) != len(scores):
        raise ValueError(f"{len(labels)} labels for {len(scores)} rows of scores")
    true_scores = np.take_along_axis(scores, labels[:, None].astype(np.int64), axis=1)
    result: npt.NDArray[np.int64] = (scores >= true_scores).sum(axis=1) - 1
    return result


def mean_over_classes(right: npt.NDArray[np.bool_], labels: Labels) -> float:
    """Percentage of `right` within each class of `labels`, averaged over the classes that occur."""
    _, members = np.unique(labels, return_inverse=True)
    return float(100 * np.mean(np.bincount(members, weights=right) / np.bincount(members)))


def check_scores(scores: ScoreArray) -> None:
    """Refuse what cannot be ranked: anything but (N, C) finite numbers, N and C from 1 on."""
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"scores of shape {scores.shape}; (segments, classes) with at least one each is needed")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).any(axis=1).sum())} rows of scores are not finite")


def check_labels(labels: Labels, *, num_classes: int, what: str = "labels") -> None:
    """Refuse labels that are no class ids: anything but (N,) whole numbers in [0, num_classes)."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{what} of shape {labels.shape}, {labels.dtype}; (segments,) of whole numbers is needed")
    if unlabelled := int((labels == -1).sum()):
        raise ValueError(f"{unlabelled} of {len(labels)} {what} are -1 (unlabelled); leave those segments out")
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"{what} from {labels.min()} to {labels.max()}; allowed are 0 to {num_classes - 1}")


def majority_baseline(labels: Labels, *, reference: Labels) -> dict[str, float]:
    """Always answer the most frequent classes of the reference, the lower id first among equals: `top1` and so on."""
    classes, counts = np.unique(reference, return_counts=True)
    ranked = classes[np.lexsort((classes, -counts))]
    accuracies = {f"top{k}": float(100 * np.isin(labels, ranked[:k]).mean()) for k in TOP_K}
    present = np.unique(labels)
    return accuracies | {"mean_class": float(100 * np.isin(present, ranked[:1]).mean())}


def prior_baseline(labels: Labels, *, reference: Labels) -> dict[str, float]:
    """Draw each answer at random, each class as often as in the reference: expected `top1` and `mean_class`."""
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    known, known_counts = np.unique(reference, return_counts=True)
    share_of = dict(zip(known.tolist(), known_counts / known_counts.sum(), strict=True))
    share = np.array([share_of.get(class_id, 0.0) for class_id in classes.tolist()])
    return {"top1": float(100 * share[members].mean()), "mean_class": float(100 * share.mean())}


def matthews_correlation(predictions: Labels, labels: Labels) -> float:
    """Matthews correlation of several classes, -1 to 1; 0 is what answers without looking reach, whatever the classes.

    Where every prediction, or every label, is the same class, it is 0.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.

    >>> matthews_correlation(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    0.5773502691896258
    """
    size = int(max(predictions.max(), labels.max())) + 1
    told, true = (np.bincount(values, minlength=size).astype(float) for values in (predictions, labels))
    total, right = len(labels), float(np.sum(predictions == labels))
    spread = float((total**2 - told @ told) * (total**2 - true @ true))
    return float((right * total - told @ true) / np.sqrt(spread)) if spread > 0 else 0.0

"""What answers without looking achieve: the numbers that a model has to beat. Labels in, percentages out.

Both are told how frequent the classes of a *reference* are. With the evaluated set itself as the reference,
`majority_baseline` is the best that any constant answer can reach on it; with the training set, it is what somebody
would reach who cannot see the evaluated labels.

An action is one label here, too: the most frequent *pair*, not the most frequent verb with the most frequent noun.
"""

import numpy as np
import numpy.typing as npt

from egoact.core.accuracy import Labels

TOP_K = (1, 3, 5)


def majority_baseline(labels: Labels, *, reference: Labels) -> dict[str, float]:
    """Always answer the most frequent classes of the reference, the lower id first among equals.

    Args:
        labels: (N,) class ids of the evaluated segments.
        reference: (any,) class ids to count.

    Returns:
        Percentages `top1`, `top3`, `top5`, `mean_class`.
    """
    classes, counts = np.unique(reference, return_counts=True)
    ranked = classes[np.lexsort((classes, -counts))]
    accuracies = {f"top{k}": float(100 * np.isin(labels, ranked[:k]).mean()) for k in TOP_K}
    present = np.unique(labels)
    return accuracies | {"mean_class": float(100 * np.isin(present, ranked[:1]).mean())}


def prior_baseline(labels: Labels, *, reference: Labels) -> dict[str, float]:
    """Draw each answer at random, each class as often as in the reference: the expected accuracy.

    Returns:
        Percentages `top1`, `mean_class`.
    """
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    known, known_counts = np.unique(reference, return_counts=True)
    share = _look_up(classes, known, known_counts / known_counts.sum())
    return {"top1": float(100 * share[members].mean()), "mean_class": float(100 * share.mean())}


def _look_up(classes: Labels, known: Labels, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The value of each class, 0 where it is not among the known ones."""
    position = np.minimum(np.searchsorted(known, classes), len(known) - 1)
    return np.where(known[position] == classes, values[position], 0.0)

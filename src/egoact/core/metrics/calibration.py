"""Making probabilities true: of the answers given with 80 %, four in five are to be right. Arrays in, numbers out.

Shapes: `N` clips, `K` classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TEMPERATURES = np.geomspace(0.2, 10.0, 241)  # few clips, all of them right, would ask for 0
_MOST_LOGITS = 16_000  # that are divided by several temperatures at once


def fit_temperature(logits: Floats, labels: npt.NDArray[np.int64]) -> float:
    """The temperature by which logits should be divided: the one under which the labels are most probable.

    Logits are (N, K), of clips that the model was not trained on; labels int64 (N,).

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    if not len(labels) or logits.shape[0] != len(labels) or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels")
    rows = np.arange(len(labels))
    parts = np.array_split(_TEMPERATURES, -(-_TEMPERATURES.size * logits.size // _MOST_LOGITS))
    losses = [-log_softmax(logits / part[:, None, None])[:, rows, labels].mean(axis=1) for part in parts]
    return float(_TEMPERATURES[int(np.argmin(np.concatenate(losses)))])


def expected_calibration_error(confidences: Floats, hits: npt.NDArray[np.bool_], *, num_bins: int = 10) -> float:
    """Mean distance between confidence and share of hits, over bins of confidence weighted by their size; 0 to 1.

    Source: Guo et al., arXiv:1706.04599, section 2.
    """
    bins = np.minimum((confidences * num_bins).astype(np.int64), num_bins - 1)
    gaps = [abs(confidences[bins == b].sum() - hits[bins == b].sum()) for b in range(num_bins)]
    return float(sum(gaps) / max(len(confidences), 1))


def softmax(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Over the last axis, in float64."""
    powers = np.exp(np.asarray(logits, dtype=np.float64) - np.max(logits, axis=-1, keepdims=True))
    result: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def log_softmax(logits: Floats) -> Floats:
    """Over the last axis, in float64."""
    shifted = np.asarray(logits, dtype=np.float64) - np.max(logits, axis=-1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs

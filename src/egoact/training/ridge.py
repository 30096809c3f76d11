"""Classifiers on a head without parameters, fitted in closed form: for few recordings, where every step is too many.

Ridge regression from the embedding to one-hot labels (Hoerl and Kennard 1970). Every stream gets a weight, so that one
that knows nothing does not drown one that does; the weights, the penalty, and how sure the answers are, are chosen by
leaving out groups of the training recordings.

Shapes: N clips, E embedding width, S streams, K outputs of all classifiers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier
from egoact.models.names import FIXED_HEADS
from egoact.training.recipes import MOST_CLIPS_OF_RIDGE

WEIGHTS = (0.0, 1 / 3, 3.0)  # what the weight of a stream is tried to be multiplied by
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SHARPNESSES = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_MOST_TO_CHOOSE_ON = 1_500
_MOST_FOLDS = 5
_PASSES = 2


@dataclass(frozen=True)
class RidgeChoice:
    """What was chosen inside the training recordings.

    Args:
        weights: Of each stream; their sum is 1.
        sharpness: What answers, which are about 0 to 1, are multiplied by to become logits.
        error: Squared error of held-out recordings, as a share of what the mean label leaves.
    """

    weights: tuple[float, ...]
    penalty: float
    sharpness: float
    error: float


@torch.no_grad()
def fit_ridge(
    model: ActionClassifier,
    batches: Iterable[Tensor],
    labels: Mapping[str, np.ndarray],
    recordings: Sequence[str],
    *,
    num_channels: Sequence[int],
) -> RidgeChoice:
    """Fit the classifiers of a model whose head has seen the statistics of the training clips.

    Args:
        model: Its classifiers are changed.
        batches: Features of all training clips in order, float32 (B, T, D).
        labels: Classifier -> class of every clip, int64 (N,).
        recordings: Name of the recording of every clip.
        num_channels: Of each stream; together D.

    Raises:
        ValueError: A head with parameters of its own, late fusion, or too many clips.
    """
    if any(True for _ in model.head.parameters()):
        raise ValueError(f"the solver ridge needs a head without parameters: {', '.join(FIXED_HEADS)}")
    linear = [classifier for classifier in model.classifiers.values() if isinstance(classifier, nn.Linear)]
    if len(linear) < len(model.classifiers):
        raise ValueError("the solver ridge weighs the streams itself: leave --fusion late away")
    if len(recordings) > MOST_CLIPS_OF_RIDGE:
        reason = f"the solver ridge takes {MOST_CLIPS_OF_RIDGE:,} clips at most"
        raise ValueError(f"{reason}, here are {len(recordings):,}; use --solver adamw")
    model.eval()
    embedded = torch.cat([model.head(features) for features in batches])
    streams = _columns_of_streams(embedded.shape[1], num_channels)
    wanted = [torch.from_numpy(labels[target]) for target in model.classifiers]
    sizes = [classifier.out_features for classifier in linear]
    labelled = zip(wanted, sizes, strict=True)
    one_hot = torch.cat([nn.functional.one_hot(each, size).double() for each, size in labelled], 1)
    grams = torch.stack([_gram(embedded[:, columns]) for columns in streams])
    choice = _Selection(grams, one_hot, sizes, recordings).choose()
    dual, mean_label = _solve((_of(choice.weights) * grams).sum(0), one_hot, choice.penalty)
    # Back from the dual: every column by what its stream weighs.
    weight = torch.empty(embedded.shape[1], sum(sizes))
    for columns, share in zip(streams, choice.weights, strict=True):
        weight[columns] = embedded[:, columns].T @ dual.float() * (share / len(columns))
    bias = mean_label.float() - embedded.mean(0) @ weight
    scaled = zip(weight.T.split(sizes), bias.split(sizes), strict=True)
    for classifier, (w, b) in zip(linear, scaled, strict=True):
        classifier.weight.copy_(w * choice.sharpness)
        classifier.bias.copy_(b * choice.sharpness)
    return choice


class _Selection:
    """Tries weights and penalties on held-out recordings; on some of the clips, evenly spread, where there are many."""

    def __init__(self, grams: Tensor, one_hot: Tensor, sizes: Sequence[int], recordings: Sequence[str]) -> None:
        every = -(-len(recordings) // _MOST_TO_CHOOSE_ON)
        self._grams, self._one_hot = grams[:, ::every, ::every], one_hot[::every]
        self._fold_of_clip = torch.from_numpy(_folds(recordings[::every]))
        self._sizes = list(sizes)
        rest = self._one_hot - self._one_hot.mean(0)
        # Every classifier counts the same, however many classes it has.
        self._scale = torch.cat([part.square().sum().clamp_min(1e-9).expand(size) for part, size in self._each(rest)])

    def choose(self) -> RidgeChoice:
        """Change the weight of a stream at a time, as long as that helps."""
        weights = [1.0] * len(self._grams)
        error, penalty = self._best_penalty(weights)
        for _ in range(_PASSES):
            before = error
            for number in range(len(weights)) if len(weights) > 1 else ():
                for factor in WEIGHTS:
                    tried = [w * factor if i == number else w for i, w in enumerate(weights)]
                    if not any(tried):
                        continue
                    other, chosen = self._best_penalty(tried)
                    if other < error:
                        error, penalty, weights = other, chosen, tried
            if error == before:
                break
        shares = tuple(weight / sum(weights) for weight in weights)
        return RidgeChoice(shares, penalty, self._sharpness(shares, penalty), error)

    def _best_penalty(self, weights: Sequence[float]) -> tuple[float, float]:
        return min((self._error(self._held_out(weights, penalty)), penalty) for penalty in PENALTIES)

    def _held_out(self, weights: Sequence[float], penalty: float) -> Tensor:
        """What is said of each clip by classifiers that have not seen its recording, (N, K)."""
        gram = (_of([weight / sum(weights) for weight in weights]) * self._grams).sum(0)
        said = torch.empty_like(self._one_hot)
        for fold in self._fold_of_clip.unique():
            out, seen = (torch.nonzero(mask)[:, 0] for mask in (self._fold_of_clip == fold, self._fold_of_clip != fold))
            inside = gram[seen][:, seen]
            dual, mean_label = _solve(inside, self._one_hot[seen], penalty)
            # Means of the columns do not appear in products of clips: they are taken off there.
            said[out] = (gram[out][:, seen] - inside.mean(0)) @ dual + mean_label
        return said

    def _error(self, said: Tensor) -> float:
        return float(((said - self._one_hot).square() / self._scale).sum() / len(self._sizes))

    def _sharpness(self, weights: Sequence[float], penalty: float) -> float:
        """That under which the true classes of held-out clips are most likely."""
        said = self._held_out(weights, penalty)

        def surprise(sharpness: float) -> float:
            parts = zip(self._each(said), self._each(self._one_hot), strict=True)
            return -sum(float(((part * sharpness).log_softmax(1) * true).sum()) for (part, _), (true, _) in parts)

        return min(SHARPNESSES, key=surprise)

    def _each(self, values: Tensor) -> Iterable[tuple[Tensor, int]]:
        return zip(values.split(self._sizes, 1), self._sizes, strict=True)


def _solve(gram: Tensor, one_hot: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Ridge regression in the dual: weights of the clips, float64 (N, K), and the mean label, (K,).

    Columns are centred here, by what their products say.
    """
    mean = gram.mean(0)
    centred = gram - mean - mean[:, None] + mean.mean()
    centred.diagonal().add_(penalty)
    mean_label = one_hot.mean(0)
    return torch.cholesky_solve(one_hot - mean_label, torch.linalg.cholesky(centred)), mean_label


def _columns_of_streams(width: int, num_channels: Sequence[int]) -> list[Tensor]:
    """Which columns of an embedding are of which stream: heads put one descriptor of all channels after another."""
    ends = np.cumsum(num_channels)
    starts = ends - num_channels
    blocks = torch.arange(width).view(-1, int(ends[-1]))
    return [blocks[:, start:stop].flatten() for start, stop in zip(starts, ends, strict=True)]


def _folds(recordings: Sequence[str]) -> np.ndarray:
    """Fold of every clip, int64 (N,): whole recordings are left out, or stretches of the only one."""
    names = {name: number for number, name in enumerate(dict.fromkeys(recordings))}
    if len(names) == 1:
        return np.arange(len(recordings)) * _MOST_FOLDS // len(recordings)
    return np.array([names[name] % _MOST_FOLDS for name in recordings], dtype=np.int64)


def _gram(columns: Tensor) -> Tensor:
    """Products of clips, float64 (N, N), divided by the number of columns: streams of any width weigh the same."""
    return (columns @ columns.T).double() / columns.shape[1]


def _of(weights: Sequence[float]) -> Tensor:
    return torch.tensor(weights, dtype=torch.float64).view(-1, 1, 1)

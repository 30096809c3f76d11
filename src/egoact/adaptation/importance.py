"""Which hidden channels the features need least, and how many of each block to keep for a budget of multiply-adds."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from egoact.adaptation.hidden import HiddenChannels

_MULTIPLE = 8  # what processors compute at once; fewer channels save nothing
_NUM_PROJECTIONS = 2
_LEAST = 0.2  # of the mean variance of a channel


def measure_importance(
    network: nn.Module, hidden: Sequence[HiddenChannels], batches: Sequence[Tensor], *, seed: int
) -> list[np.ndarray]:
    """How much the features change when a channel is taken away, to first order: float64 (channels,) of each block.

    A gate of 1 is thought on every channel; the square of the gradient that random projections of the features have at
    it is, on average over projections, the squared change of the features. Features count by `spread_of`.

    Args:
        network: Normalised frames (B, 3, H, W) to features (B, D).
        hidden: Of its blocks.
        batches: Normalised frames.
        seed: Of the projections.

    Source: Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, arXiv:1906.10771, with a loss that
    needs no labels.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[module] = given[0]

    totals = [torch.zeros(each.num_channels, dtype=torch.float64) for each in hidden]
    hooks = [each.last.register_forward_pre_hook(keep) for each in hidden]
    try:
        with torch.no_grad():
            spread = spread_of(torch.cat([network(batch) for batch in batches])).sqrt()
        for batch in batches:
            features = network(batch.requires_grad_(True))
            given = [inputs[each.last] for each in hidden]
            for turn in range(_NUM_PROJECTIONS):
                signs = torch.randint(0, 2, features.shape, generator=generator) * 2.0 - 1
                found = torch.autograd.grad((features * signs / spread).sum(), given, retain_graph=turn == 0)
                for total, values, slopes in zip(totals, given, found, strict=True):
                    total += (values.detach() * slopes).sum(dim=(2, 3)).double().pow(2).sum(dim=0)
    finally:
        for hook in hooks:
            hook.remove()
    return [total.numpy() for total in totals]


def spread_of(features: Tensor) -> Tensor:
    """Variance of each channel, (N, C) or (N, C, h, w) to (C,): what a difference is measured by.

    Channels that hardly vary count less: what they do is mostly noise, and dividing by it would be all of the sum.
    """
    variance = features.movedim(1, -1).flatten(0, -2).var(dim=0, correction=0)
    return variance + _LEAST * variance.mean() + 1e-12


def choose_channels(
    hidden: Sequence[HiddenChannels], importance: Sequence[np.ndarray], *, total: float, keep: float
) -> list[np.ndarray]:
    """Channels that stay, ascending, of each block: those that are worth most for what they cost.

    Args:
        hidden: Of each block.
        importance: Of each of its channels.
        total: Multiply-adds of the whole network.
        keep: Share of them that may be left.

    Raises:
        ValueError: The network cannot be made so small.
    """
    # By the change, not by its square, which would spend more of the budget on costly, early blocks (docs/LOG.md).
    worths = [np.sqrt(values) / each.cost for values, each in zip(importance, hidden, strict=True)]
    removable = [each.cost * (each.num_channels - min(_MULTIPLE, each.num_channels)) for each in hidden]
    if total - sum(removable) > keep * total:
        least = 1 - sum(removable) / total
        raise ValueError(f"--keep {keep:g}: only what is inside of blocks can go, {least:.2f} of this backbone remains")
    best: list[np.ndarray] | None = None
    low, high = 0.0, max(float(w.max()) for w in worths) + 1
    for _ in range(60):
        threshold = (low + high) / 2
        chosen = [_above(worth, threshold) for worth in worths]
        left = total - sum(e.cost * (e.num_channels - len(c)) for e, c in zip(hidden, chosen, strict=True))
        if left <= keep * total:
            best, high = chosen, threshold
        else:
            low = threshold
    return best if best is not None else [_above(worth, high) for worth in worths]


def _above(worth: np.ndarray, threshold: float) -> np.ndarray:
    """The channels worth more, filled up or cut to a multiple of `_MULTIPLE`."""
    wanted = int((worth > threshold).sum())
    number = min(len(worth), max(_MULTIPLE, round(wanted / _MULTIPLE) * _MULTIPLE))
    return np.sort(np.argsort(-worth, kind="stable")[:number])

"""The channels inside of a backbone's blocks: which can go unseen outside of their block, and which are needed least.

    block   in ──► conv ──► ... ──► hidden channels ──► last conv ──► out
                        removed together with all that makes them

What blocks give to each other, and the features, keep their widths; so heads keep their meaning, and every block can be
taught alone. The surgery is torch-pruning's (DepGraph, Fang et al. 2023, arXiv:2301.12900).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.core.errors import ArtifactError
from egoact.models.backbones.light_imports import import_light

_MULTIPLE = 8  # what processors compute at once; fewer channels save nothing
_NUM_PROJECTIONS = 2
_LEAST = 0.2  # of the mean variance of a channel


@dataclass(frozen=True, eq=False)
class HiddenChannels:
    """Of one block: the convolution that reads them, and the multiply-adds of one channel."""

    number: int
    block: nn.Module
    last: nn.Conv2d
    cost: float

    @property
    def num_channels(self) -> int:
        """That there are."""
        return self.last.in_channels


def find_hidden(blocks: Sequence[nn.Module], *, size: int) -> list[HiddenChannels]:
    """Blocks, one after the other, that have hidden channels; frames (B, 3, size, size) go into the first.

    Raises:
        ArtifactError: torch-pruning is not installed.
    """
    graph = Surgery(nn.Sequential(*blocks), size=size)
    costs = count_multiply_adds(blocks, size=size)
    found = []
    for number, block in enumerate(blocks):
        convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
        if len(convs) < 2 or convs[-1].groups > 1:
            continue
        inside = graph.coupled(convs[-1])
        if inside <= set(block.modules()):
            cost = sum(costs[conv] for conv in convs if conv in inside) / convs[-1].in_channels
            found.append(HiddenChannels(number, block, convs[-1], cost))
    return found


class Surgery:
    """Removes hidden channels of a network, in place; an `ArtifactError` where torch-pruning is not installed."""

    def __init__(self, network: nn.Module, *, size: int) -> None:
        import_light("timm")  # which it imports
        try:
            import torch_pruning
        except ImportError:
            raise ArtifactError("torch-pruning is not installed: pip install 'egoact[compress]'") from None
        self._prune_inputs = torch_pruning.prune_conv_in_channels
        for parameter in network.parameters():
            parameter.requires_grad_(True)  # it follows the gradients
        self._graph = torch_pruning.DependencyGraph().build_dependency(network, torch.zeros(1, 3, size, size))

    def coupled(self, last: nn.Conv2d) -> set[nn.Module]:
        """Modules that would change with the input channels of a convolution."""
        group: Any = self._graph.get_pruning_group(last, self._prune_inputs, [0])
        return {dependency.target.module for dependency, _ in group if len(list(dependency.target.module.parameters()))}

    def remove(self, last: nn.Conv2d, channels: list[int]) -> None:
        """Take input channels of a convolution away, and what makes them."""
        if channels:
            self._graph.get_pruning_group(last, self._prune_inputs, channels).prune()


def count_multiply_adds(blocks: Sequence[nn.Module], *, size: int) -> dict[nn.Module, int]:
    """Convolution -> its multiply-adds a frame."""
    counts: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        each = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        counts[module] = counts.get(module, 0) + each * output[0].numel()

    network = nn.Sequential(*blocks)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def measure_importance(
    network: nn.Module, hidden: Sequence[HiddenChannels], batches: Sequence[Tensor], *, seed: int
) -> list[np.ndarray]:
    """How much the features change when a channel is taken away, to first order: float64 (channels,) of each block.

    A gate of 1 is thought on every channel; the square of the gradient that random projections of the features have at
    it is, on average over projections, the squared change of the features. Features count by `spread_of`.

    `network` turns normalised frames (B, 3, H, W), such as `batches` has, into features (B, D).

    Source: Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, arXiv:1906.10771, with a loss that
    needs no labels.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs: dict[nn.Module, Tensor] = {}
    totals = [torch.zeros(each.num_channels, dtype=torch.float64) for each in hidden]
    hooks = [each.last.register_forward_pre_hook(lambda m, given: inputs.__setitem__(m, given[0])) for each in hidden]
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

    Of the `total` multiply-adds of the whole network a share of `keep` may be left.

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

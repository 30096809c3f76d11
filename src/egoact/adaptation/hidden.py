"""The channels inside of a backbone's blocks: which can go without anything outside of their block noticing.

    block   in ──► conv ──► ... ──► hidden channels ──► last conv ──► out
                        removed together with all that makes them

What blocks give to each other, and the features, keep their widths; so heads keep their meaning, and every block can be
taught alone. The surgery is torch-pruning's (DepGraph, Fang et al. 2023, arXiv:2301.12900).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from egoact.core.errors import ArtifactError


@dataclass(frozen=True, eq=False)
class HiddenChannels:
    """Of one block.

    Args:
        number: Of the block.
        block: What contains them.
        last: The convolution that reads them.
        cost: Multiply-adds of one channel.
    """

    number: int
    block: nn.Module
    last: nn.Conv2d
    cost: float

    @property
    def num_channels(self) -> int:
        """That there are."""
        return self.last.in_channels


def find_hidden(blocks: Sequence[nn.Module], *, size: int) -> list[HiddenChannels]:
    """Blocks that have hidden channels.

    Args:
        blocks: One after the other, frames (B, 3, H, W) into the first.
        size: Height and width of frames, pixels.

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
    """Removes hidden channels of a network, in place.

    Raises:
        ArtifactError: torch-pruning is not installed.
    """

    def __init__(self, network: nn.Module, *, size: int) -> None:
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

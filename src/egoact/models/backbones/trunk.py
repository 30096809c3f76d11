"""What every family of backbones must offer: maps after any of its blocks, and a way to pool the last ones."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Trunk:
    """A backbone in parts.

    Args:
        num_blocks: How many blocks can be cut after; they count from 0.
        layers: Block, or None for all of the backbone -> modules that turn normalised frames (B, 3, H, W) into the
            maps (B, C, h, w) after it, one after the other. They hold nothing of what follows.
        whole: The modules that `pool` follows.
        pool: What `whole` gives -> features (B, D).
        mean: Per RGB channel, on the scale 0 to 1.
        std: Per RGB channel, on the scale 0 to 1.
    """

    num_blocks: int
    layers: Callable[[int | None], list[nn.Module]]
    whole: list[nn.Module]
    pool: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class SpatialMean(nn.Module):
    """(B, C, h, w) -> (B, C), the global average pooling of the report's Figure 7."""

    def forward(self, maps: Tensor) -> Tensor:  # noqa: D102
        return maps.mean(dim=(2, 3))


def sequential_trunk(
    blocks: list[nn.Module],
    head: nn.Module,
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    pool: nn.Module | None = None,
) -> Trunk:
    """A family whose blocks come one after the other, and `head` after the last."""

    def layers(cut: int | None) -> list[nn.Module]:
        return [*blocks, head] if cut is None else blocks[: cut + 1]

    return Trunk(len(blocks), layers, [*blocks, head], pool or SpatialMean(), mean, std)

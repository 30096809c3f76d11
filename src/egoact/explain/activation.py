"""Activation maximisation: pictures that a kernel responds to most, and how strongly real frames move it.

Source: Erhan et al. 2009; Olah, Mordvintsev and Schubert 2017, "Feature Visualization", doi:10.23915/distill.00007.
Shapes: B frames, K kernels, S x S pixels.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from egoact.explain.images import FourierPictures, RandomViews
from egoact.models.backbones.registry import Backbone

LEARNING_RATE = 0.1


def maximise(
    backbone: Backbone,
    kernels: Sequence[int],
    *,
    size: int,
    steps: int,
    seed: int = 0,
    advance: Callable[[int], None] = lambda steps: None,
) -> np.ndarray:
    """Paint a picture for each of some kernels by gradient ascent on the mean of its map.

    Args:
        backbone: With kind "maps", cut after the block that is looked at; its input size does not matter.
        kernels: K channels of its maps.
        size: S, pixels.
        steps: Of the optimiser (Adam).
        seed: Of start and views.
        advance: Called after each step, with 1.

    Returns:
        uint8 (K, S, S, 3), RGB.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = FourierPictures(len(kernels), size, generator=generator)
    views = RandomViews(generator)
    backbone.module.to(memory_format=torch.channels_last)  # a third faster on a CPU
    optimizer = torch.optim.Adam(pictures.parameters(), lr=LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        responses = respond(backbone, views(pictures()))
        # Each picture is judged by its own kernel alone: their sum keeps the gradients apart.
        torch.stack([-responses[i, kernel] for i, kernel in enumerate(kernels)]).sum().backward()
        optimizer.step()
        advance(1)
    with torch.no_grad():
        found = pictures().permute(0, 2, 3, 1)
    return (255 * found).round().byte().numpy()


def respond(backbone: Backbone, pictures: Tensor) -> Tensor:
    """The mean response of every kernel: float (B, 3, S, S) from 0 to 1 -> (B, C)."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (backbone.spec.mean, backbone.spec.std))
    return backbone.module((pictures - mean) / std).mean(dim=(2, 3))


def respond_to_frames(backbone: Backbone, batches: Iterable[np.ndarray]) -> np.ndarray:
    """The mean response of every kernel to real frames.

    Args:
        backbone: As for `maximise`.
        batches: uint8 (B, S, S, 3), RGB.

    Returns:
        float32 (N, C) for all N frames.
    """
    with torch.no_grad():
        parts = [respond(backbone, torch.tensor(b).permute(0, 3, 1, 2).float() / 255) for b in batches]
    return torch.cat(parts).numpy()

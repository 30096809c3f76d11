"""Activation maximisation: pictures that a kernel responds to most, and how strongly real frames move it.

Source: Erhan et al. 2009; Olah, Mordvintsev and Schubert 2017, "Feature Visualization", doi:10.23915/distill.00007.
Shapes: B frames, K kernels, S x S pixels.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from egoact.explain.images import FourierPictures, view_anew
from egoact.models.backbones.registry import Backbone

LEARNING_RATE = 0.1
_BATCH = 16


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
        advance: Called with 1 after each step.

    Returns:
        uint8 (K, S, S, 3), RGB.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = FourierPictures(len(kernels), size, generator=generator)
    backbone.module.to(memory_format=torch.channels_last)  # a third faster on a CPU
    optimizer = torch.optim.Adam(pictures.parameters(), lr=LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        responses = _respond(backbone, backbone.normalise(view_anew(pictures(), generator)))
        # Each picture is judged by its own kernel alone: their sum keeps the gradients apart.
        torch.stack([-responses[i, kernel] for i, kernel in enumerate(kernels)]).sum().backward()
        optimizer.step()
        advance(1)
    with torch.no_grad():
        found = pictures().permute(0, 2, 3, 1)
    return (255 * found).round().byte().numpy()


def _respond(backbone: Backbone, images: Tensor) -> Tensor:
    """The mean response of every kernel: float (B, 3, S, S), normalised -> (B, C)."""
    return backbone.module(images).mean(dim=(2, 3))


def respond_to_frames(backbone: Backbone, frames: np.ndarray) -> np.ndarray:
    """The mean response of every kernel to real frames: uint8 (N, S, S, 3), RGB -> float32 (N, C)."""
    batches = (frames[i : i + _BATCH] for i in range(0, len(frames), _BATCH))
    with torch.no_grad():
        return torch.cat([_respond(backbone, backbone.images(batch)) for batch in batches]).numpy()

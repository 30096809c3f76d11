"""A student backbone learns to say what its teacher says of pictures; nobody has labelled them.

The loss compares the features themselves, cell by cell and pooled, each by its own spread over the teacher's: no
projection stands between them, so that whatever was trained on the teacher's features takes the student's.

Source: Romero et al. 2015, FitNets, arXiv:1412.6550, on the last layer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from egoact.adaptation.channels import spread_of
from egoact.core.errors import ArtifactError
from egoact.engines.interface import Engine
from egoact.models.backbones.spec import BackboneSpec
from egoact.training.adamw import AdamW


@dataclass(frozen=True)
class DistillRecipe:
    """Hyperparameters; the learning rate is that of AdamW at the start, and falls to zero by half a cosine."""

    epochs: int = 2
    batch_size: int = 16
    learning_rate: float = 2e-4
    seed: int = 0


def normalise(pictures: np.ndarray, spec: BackboneSpec) -> Tensor:
    """uint8 (B, H, W, C) as a network takes them, float32 (B, C, H, W)."""
    images = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
    return (images - mean) / std


def spread_out(pictures: np.ndarray, count: int) -> np.ndarray:
    """Some of the pictures, from the first to the last."""
    return pictures[np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int))]


@dataclass(frozen=True, eq=False)
class Network:
    """What gives maps, (B, C, h, w), of normalised frames, (B, 3, H, W), before they are pooled; its preprocessing."""

    maps: nn.Module
    spec: BackboneSpec


def maps_spec(network: Network) -> BackboneSpec:
    """The spec of a network's maps, whatever is made of them."""
    with torch.no_grad():
        shape = tuple(network.maps(torch.zeros(1, 3, *network.spec.input_size)).shape[1:])
    return replace(network.spec, kind="maps", feature_shape=shape, grid=1, modality="rgb", lag_seconds=0.0)


def distill(
    student: Network,
    teacher: Engine,
    pictures: np.ndarray,
    recipe: DistillRecipe,
    *,
    advance: Callable[[int, str], None] = lambda _, __: None,
) -> None:
    """Train the student in place; statistics of batch norm stay.

    The teacher, which gives maps of as many channels and cells, is asked anew every time, for pictures are mirrored;
    these, uint8 (N, H, W, 3) of both networks' size, are read a batch at a time. `advance` is told of pictures that are
    done, and of the loss.

    Raises:
        ArtifactError: A loss that is not finite.
    """
    if not recipe.epochs:
        return
    network = student.maps.to(memory_format=torch.channels_last)
    parameters = [p.requires_grad_(True) for p in network.parameters()]
    optimizer = AdamW([], parameters, weight_decay=0.0, is_fused=False)
    steps = recipe.epochs * -(-len(pictures) // recipe.batch_size)
    done = 0
    random = np.random.default_rng(recipe.seed)
    spread = _spread(teacher, pictures)
    for _ in range(recipe.epochs):
        order = random.permutation(len(pictures))
        for start in range(0, len(order), recipe.batch_size):
            batch = pictures[np.sort(order[start : start + recipe.batch_size])]
            batch = np.where(random.random(len(batch))[:, None, None, None] < 0.5, batch, batch[:, :, ::-1])
            wanted = torch.from_numpy(teacher.run(batch))
            images = normalise(batch, student.spec).to(memory_format=torch.channels_last)
            loss = _difference(network(images), wanted, spread)
            if not torch.isfinite(loss):
                raise ArtifactError("the student's features are not finite; use a smaller --learning-rate")
            network.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step(0.5 * recipe.learning_rate * (1 + math.cos(math.pi * done / steps)))
            done += 1
            advance(len(batch), f"loss {loss.item():.3f}")
    for parameter in parameters:
        parameter.requires_grad_(False)


def _spread(teacher: Engine, pictures: np.ndarray) -> tuple[Tensor, Tensor]:
    """Variance of each channel over cells, and over pictures: (C,) each."""
    some = spread_out(pictures, 64)
    maps = torch.from_numpy(np.concatenate([teacher.run(some[i : i + 16]) for i in range(0, len(some), 16)]))
    return spread_of(maps), spread_of(maps.mean(dim=(2, 3)))


def _difference(found: Tensor, wanted: Tensor, spread: tuple[Tensor, Tensor]) -> Tensor:
    of_cells = ((found - wanted).square().mean(dim=(0, 2, 3)) / spread[0]).mean()
    of_means = ((found - wanted).mean(dim=(2, 3)).square().mean(dim=0) / spread[1]).mean()
    return of_cells + of_means

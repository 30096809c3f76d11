"""Where and when a recognizer looks: Grad-CAM of every frame, occlusion of every frame, and a check of both.

Shapes: T frames, C x h x w maps of the backbone.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.backbones.registry import Backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.fusion import EarlyFusion, MixedFusion
from egoact.models.heads import Head


@runtime_checkable
class Attending(Protocol):
    """A head that has attention weights of its own."""

    def attend(self, features: Tensor) -> Tensor:
        """(1, T, ...) -> (1, T) over frames, or (1, T, h, w) over places."""


@dataclass(frozen=True, eq=False)
class TargetSaliency:
    """Why one answer was given."""

    class_id: int
    probability: float
    maps: np.ndarray  # float32 (T, h, w), Grad-CAM of its logit, from 0 on; one scale for the whole clip
    importance: np.ndarray  # float32 (T,), log-probability that is lost without the frame


@dataclass(frozen=True, eq=False)
class ClipSaliency:
    """Why the answers to a clip were given: those of "verb" and/or "noun"."""

    targets: dict[str, TargetSaliency]
    attention: np.ndarray | None  # the head's own weights, (T,) or (T, h, w)


def explain_clip_frames(
    backbone: Backbone,
    model: ActionClassifier,
    frames: np.ndarray,
    others: Sequence[Tensor] = (),
    *,
    maps: Tensor | None = None,
) -> ClipSaliency:
    """Explain the answers to one clip.

    Args:
        backbone: That the model was trained on.
        model: In eval mode.
        frames: uint8 (T, H, W, 3), RGB, of the backbone's input size.
        others: Features of the model's other streams, (T, D) or (T, C, h, w) each; where they look is not shown.
        maps: What `maps_of` gives of the frames; None: they are computed.

    Raises:
        ValueError: A backbone without spatial maps.

    Source: Selvaraju et al. 2017, arXiv:1610.02391 (Grad-CAM); Zeiler and Fergus 2014, arXiv:1311.2901 (occlusion).
    """
    _, pool = _split(backbone)
    maps = (maps_of(backbone, frames) if maps is None else maps).detach().requires_grad_()
    features = torch.cat([pool(maps), *others], dim=1)[None]
    logits = model(features)
    answers = {target: int(values[0].argmax()) for target, values in logits.items()}
    occluded = _occlude(model, features.detach())
    targets = {}
    for target, class_id in answers.items():
        (gradient,) = torch.autograd.grad(logits[target][0, class_id], maps, retain_graph=True)
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        found = (weights * maps.detach()).sum(1).clamp_min(0)
        sure = logits[target][0].detach().log_softmax(0)[class_id]
        lost = sure - occluded[target].log_softmax(1)[:, class_id]
        targets[target] = TargetSaliency(class_id, float(sure.exp()), found.numpy(), lost.numpy())
    return ClipSaliency(targets, _attention(model.head, features.detach()))


def maps_of(backbone: Backbone, frames: np.ndarray) -> Tensor:
    """What is pooled to features, (T, C, h, w); a `ValueError` for a backbone without spatial maps."""
    trunk, _ = _split(backbone)
    with torch.no_grad():
        maps: Tensor = trunk(backbone.images(frames))
    if maps.ndim != 4:
        raise ValueError(f"backbone {backbone.spec.name} has no spatial maps to look into")
    return maps


def shuffle_weights(module: nn.Module, *, seed: int) -> nn.Module:
    """A copy in which every tensor of weights holds its numbers in random order: as large, knowing nothing.

    Source: the model randomisation test of Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292.
    """
    generator = torch.Generator().manual_seed(seed)
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in copied.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return copied


def map_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation of two stacks of maps over all their cells; 0 where one of them is constant."""
    ranks = [np.argsort(np.argsort(maps, axis=None), axis=None).astype(np.float64) for maps in (first, second)]
    if any(np.ptp(maps) == 0 for maps in (first, second)):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _split(backbone: Backbone) -> tuple[nn.Module, nn.Module]:
    """The part that makes maps, and the part that pools them."""
    if backbone.spec.kind == "maps":
        return backbone.module, nn.Identity()
    layers: Any = list(backbone.module.children())
    return nn.Sequential(*layers[:-1]), layers[-1]


def _occlude(model: ActionClassifier, features: Tensor) -> dict[str, Tensor]:
    """Logits (T, classes) of T clips, each with another frame replaced by the mean of the clip."""
    num_frames = features.shape[1]
    clips = features.repeat(num_frames, *(1 for _ in features.shape[1:]))
    clips[torch.arange(num_frames), torch.arange(num_frames)] = features[0].mean(0)
    with torch.no_grad():
        return model(clips)


def _attention(head: Head, features: Tensor) -> np.ndarray | None:
    with torch.no_grad():
        if isinstance(head, EarlyFusion | MixedFusion):
            features, head = head.fuse(features), head.head
        return head.attend(features)[0].numpy() if isinstance(head, Attending) else None  # pyrefly: ignore[unsafe-overlap]

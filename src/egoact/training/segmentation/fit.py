"""Fitting a segmenter to recordings: batches of warped recordings, the loss of every stage, averaged weights.

Seconds to minutes for hours of video, so it needs no checkpoints. Shapes: B recordings in a batch, F steps, C narrow
features, K outputs of all targets.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from egoact.models.detectors import Detector
from egoact.training.adamw import AdamW
from egoact.training.loops.steps import follow
from egoact.training.segmentation.detection import detection_loss
from egoact.training.segmentation.recipe import SegmenterRecipe

UNKNOWN = -1  # label of a step of which nobody says what happens
_MOST_JUMP = 4.0  # of log-probabilities from a step to the next, beyond which smoothing pulls no harder

Labels = npt.NDArray[np.int64]
Network = TypeVar("Network", bound=nn.Module)  # a segmenter or a detector


@dataclass(frozen=True, eq=False)
class Example:
    """A recording, or a part of one, to learn from.

    Args:
        features: Narrow, float32 (F, C).
        labels: int64 (targets, F), `UNKNOWN` where nothing is said.
    """

    features: npt.NDArray[np.float32]
    labels: Labels


def fit_segmenter(
    segmenter: Network,
    examples: Sequence[Example],
    *,
    sizes: Sequence[int],
    recipe: SegmenterRecipe,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Network:
    """Train a segmenter, or a detector; the same seed gives the same weights on the same machine.

    `sizes` are the classes of each target, background included; `advance` is told of updates that are done.

    Returns:
        The averaged segmenter, in eval mode.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    decayed = [p for p in segmenter.parameters() if p.ndim > 1]
    others = [p for p in segmenter.parameters() if p.ndim <= 1]
    optimizer = AdamW(decayed, others, weight_decay=recipe.weight_decay, is_fused=False)
    average = copy.deepcopy(segmenter)
    segmenter.train()
    waiting: list[int] = []
    for update in range(recipe.updates):
        if len(waiting) < recipe.batch_size:
            waiting += rng.permutation(len(examples)).tolist()
        chosen, waiting = waiting[: recipe.batch_size], waiting[recipe.batch_size :]
        features, labels, mask = collate([augment(examples[i], recipe, rng) for i in chosen])
        if isinstance(segmenter, Detector):
            loss = detection_loss(segmenter, features, labels, mask, sizes=sizes)
        else:
            loss = torch.stack([stage_loss(stage, labels, sizes, recipe) for stage in segmenter(features, mask)]).sum()
        segmenter.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(segmenter.parameters(), 5.0)
        optimizer.step(0.5 * recipe.learning_rate * (1 + math.cos(math.pi * update / recipe.updates)))
        follow(average.parameters(), segmenter.parameters(), decay=recipe.ema, num_steps=update)
        advance(1)
    return average.eval()


def augment(example: Example, recipe: SegmenterRecipe, rng: np.random.Generator) -> Example:
    """A recording cut, stretched in time, and with some of its features left out."""
    features, labels = example.features, example.labels
    if len(features) > recipe.most_steps:
        first = int(rng.integers(len(features) - recipe.most_steps + 1))
        kept = slice(first, first + recipe.most_steps)
        features, labels = features[kept], labels[:, kept]
    num_steps = max(2, round(len(features) * recipe.warp ** rng.uniform(-1, 1)))
    places = np.linspace(0, len(features) - 1, num_steps)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, len(features) - 1)
    share = (places - low)[:, None].astype(np.float32)
    stretched = features[low] * (1 - share) + features[high] * share
    if recipe.noise:
        stretched = stretched + np.asarray(rng.normal(0, recipe.noise, stretched.shape), dtype=np.float32)
    if recipe.input_dropout:
        is_kept = np.asarray(rng.random(features.shape[1]) >= recipe.input_dropout, dtype=np.float32)
        stretched = stretched * is_kept / np.float32(1 - recipe.input_dropout)
    return Example(stretched, labels[:, np.rint(places).astype(np.int64)])  # pyrefly: ignore[bad-argument-type]


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Recordings of different lengths as a batch: features (B, C, F), labels (B, targets, F), mask (B, 1, F)."""
    longest = max(len(example.features) for example in examples)
    num_targets, width = len(examples[0].labels), examples[0].features.shape[1]
    features = torch.zeros(len(examples), width, longest)
    labels = torch.full((len(examples), num_targets, longest), UNKNOWN)
    mask = torch.zeros(len(examples), 1, longest)
    for row, example in enumerate(examples):
        stop = len(example.features)
        features[row, :, :stop] = torch.from_numpy(example.features.T)
        labels[row, :, :stop] = torch.from_numpy(example.labels)
        mask[row, :, :stop] = 1
    return features, labels, mask


def stage_loss(logits: Tensor, labels: Tensor, sizes: Sequence[int], recipe: SegmenterRecipe) -> Tensor:
    """Cross entropy of all targets, and the smoothing loss of MS-TCN: (B, K, F), (B, targets, F) -> scalar."""
    losses = []
    for target, part in enumerate(logits.split(list(sizes), dim=1)):
        wanted = labels[:, target]
        is_known = wanted != UNKNOWN
        if not is_known.any():
            continue
        losses.append(
            functional.cross_entropy(part, wanted, ignore_index=UNKNOWN, label_smoothing=recipe.label_smoothing)
        )
        if recipe.smoothing:
            said = part.log_softmax(1)
            jumps = (said[:, :, 1:] - said[:, :, :-1].detach()).abs().clamp(max=_MOST_JUMP).square().mean(1)
            both = (is_known[:, 1:] & is_known[:, :-1]).float()
            losses.append(recipe.smoothing * (jumps * both).sum() / both.sum().clamp_min(1))
    return torch.stack(losses).sum() if losses else logits.sum() * 0

"""What a detector learns from: for every point of its pyramid the action around it, and how far its ends are.

    labels     . . a a a a a a . b b .        runs of the same labels are the true actions
    level 0    . . . . . . . . . ^ ^ .        short actions at fine levels,
    level 1    .   .   ^ ^ .   .   .          long ones at coarse levels, at points near their middle

Two actions of the same classes that touch are one here. Shapes: B recordings in a batch, F steps, P points, K classes.

Sources: ActionFormer, arXiv:2202.07925; focal loss, arXiv:1708.02002; distance IoU, arXiv:1911.08287.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from egoact.models.detectors import Detector, Level

_FINEST = 4.0  # longest reach in steps, to the farther end, of what level 0 learns; twice that of each further level
_CENTRE = 1.5  # strides from the middle of an action within which points learn it
_ALPHA, _GAMMA = 0.25, 2.0  # of the focal loss


def detection_loss(
    detector: Detector, features: Tensor, labels: Tensor, mask: Tensor, *, sizes: Sequence[int]
) -> Tensor:
    """Focal loss of the classes and distance IoU loss of the ends, of all targets: a scalar.

    Features are (B, C, F), the mask (B, 1, F), and labels (B, targets, F): negative ones are not known, and the last
    class of each target, of which `sizes` has the number, is background.
    """
    levels = detector(features, mask)
    starts, stops = find_runs(labels)
    losses = []
    for target, size in enumerate(sizes):
        is_action = (labels[:, target] >= 0) & (labels[:, target] < size - 1)
        wanted = [
            assign(starts, stops, is_action, stride=level.stride, number=n, num_levels=len(levels))
            for n, level in enumerate(levels)
        ]
        num_points = torch.stack([chosen.sum() for chosen, _ in wanted]).sum().clamp_min(1)
        each = [_level_loss(level, target, labels, *both) for level, both in zip(levels, wanted, strict=True)]
        losses.append(torch.stack(each).sum() / num_points)
    return torch.stack(losses).sum()


def find_runs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """First step, and step after the last, of the run of equal labels around every step: (B, T, F) -> twice (B, F)."""
    num_steps = labels.shape[2]
    changes = (labels[:, :, 1:] != labels[:, :, :-1]).any(1)
    edge = torch.ones_like(changes[:, :1]) if num_steps > 1 else torch.ones(len(labels), 1, dtype=torch.bool)
    places = torch.arange(num_steps, device=labels.device)
    begins = torch.cat([edge, changes], 1)
    starts = torch.where(begins, places, 0).cummax(1).values
    ends = torch.cat([changes, edge], 1)
    stops = torch.where(ends, places + 1, num_steps).flip(1).cummin(1).values.flip(1)
    return starts, stops


def assign(
    starts: Tensor, stops: Tensor, is_action: Tensor, *, stride: int, number: int, num_levels: int
) -> tuple[Tensor, Tensor]:
    """Which points of a level learn an action, bool (B, P), and how far its ends are, (B, 2, P), in steps."""
    places = torch.arange(starts.shape[1], device=starts.device)[::stride] + 0.5
    first, last = starts[:, ::stride].float(), stops[:, ::stride].float()
    reaches = torch.stack([places - first, last - places], 1)
    farther = reaches.amax(1)
    low = 0.0 if number == 0 else _FINEST * 2 ** (number - 1)
    high = float("inf") if number == num_levels - 1 else _FINEST * 2**number
    is_central = (places - (first + last) / 2).abs() <= _CENTRE * stride
    return is_action[:, ::stride] & is_central & (farther > low) & (farther <= high), reaches


def _level_loss(level: Level, target: int, labels: Tensor, chosen: Tensor, reaches: Tensor) -> Tensor:
    """Summed over the points of a level."""
    logits, said = level.logits[target], level.reaches[target]
    kinds = labels[:, target, :: level.stride]
    wanted = functional.one_hot(torch.where(chosen, kinds, 0), logits.shape[1]).transpose(1, 2) * chosen[:, None]
    counts = level.mask * (kinds >= 0)  # nothing is learned of what is not known
    loss = (_focal(logits, wanted.float()) * counts[:, None]).sum()
    if chosen.any():
        loss = loss + _distance_iou(said.transpose(1, 2)[chosen], reaches.transpose(1, 2)[chosen]).sum()
    return loss


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    share = logits.sigmoid()
    right = share * wanted + (1 - share) * (1 - wanted)
    return (_ALPHA * wanted + (1 - _ALPHA) * (1 - wanted)) * (1 - right) ** _GAMMA * entropy


def _distance_iou(said: Tensor, wanted: Tensor) -> Tensor:
    """1 - IoU + squared distance of the middles by that of the outermost ends; both (N, 2): reaches from a point."""
    shared = torch.minimum(said, wanted).sum(1)
    hull = torch.maximum(said, wanted).sum(1)
    union = said.sum(1) + wanted.sum(1) - shared
    middles = ((said[:, 1] - said[:, 0]) - (wanted[:, 1] - wanted[:, 0])) / 2
    return 1 - shared / union.clamp_min(1e-6) + (middles / hull.clamp_min(1e-6)) ** 2

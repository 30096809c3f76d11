"""What one step of a training does: loss, learning rate, moving average; and what a training ends with.

Shapes: B clips.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier
from egoact.training.recipes import Recipe

Supervised = Iterable[tuple[str, Tensor]]  # target and logits, of everything that a loss is put on
Losses = Mapping[str, nn.Module] | nn.ModuleDict


class NotFiniteError(ValueError):
    """The loss became NaN or infinite; `positions` are the clips of that batch."""

    def __init__(self, reason: str, positions: list[int]) -> None:
        super().__init__(reason)
        self.positions = positions


@dataclass(frozen=True)
class Fitted:
    """Models of the last epoch and of that with the best validation score, None without validation; on the CPU."""

    last: ActionClassifier
    best: ActionClassifier | None

    @property
    def models(self) -> dict[str, ActionClassifier]:
        """By name: best and last, or only."""
        return {"only": self.last} if self.best is None else {"best": self.best, "last": self.last}


def sum_of_losses(losses: Losses, outputs: Supervised, labels: Mapping[str, Tensor]) -> Tensor:
    """The sum over the targets, as in the report."""
    return torch.stack([losses[target](logits, labels[target]) for target, logits in outputs]).sum()


def training_loss(
    supervised: Callable[[Tensor], Supervised],
    losses: Losses,
    features: Tensor,
    labels: Mapping[str, Tensor],
    *,
    mixup: float,
) -> Tensor:
    """Of clips (B, T, ...); mixed with each other where `mixup`, the alpha of a Beta distribution, is above 0.

    `supervised` is that of the `ActionClassifier`.

    Source: mixup, Zhang et al. 2018, arXiv:1710.09412.
    """
    if not mixup or len(features) < 2:
        return sum_of_losses(losses, supervised(features), labels)
    alpha = torch.tensor(mixup)
    share = torch.distributions.Beta(alpha, alpha).sample().to(features.device)
    other = torch.randperm(len(features), device=features.device)
    outputs = supervised(share * features + (1 - share) * features[other])
    swapped = {target: values[other] for target, values in labels.items()}
    return share * sum_of_losses(losses, outputs, labels) + (1 - share) * sum_of_losses(losses, outputs, swapped)


def rate_at(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, as a factor of the recipe's."""
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "step":
        return 0.2 ** max(0, (epoch - 15) // 20)  # from epoch 35 on, every 20
    return 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


@torch.no_grad()
def follow(average: Iterable[Tensor], new: Iterable[Tensor], *, decay: float, num_steps: int) -> None:
    """Move an average of weights on after so many steps of the optimiser."""
    # An average that starts at random weights would need many steps to forget them.
    decay = min(decay, (1 + num_steps) / (10 + num_steps))
    for kept, values in zip(average, new, strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(values, 1 - decay)
        else:
            kept.copy_(values)

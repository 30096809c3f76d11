"""The optimiser of all trainings on features."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_OPTIONS: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "maximize": False}


class AdamW:
    """As `torch.optim.AdamW` with its usual betas and eps; gradients are in `grad`, and what has none stays as it is.

    Not by its `Optimizer`, which imports a compiler first: that takes longer than a small training does.

    Args:
        decayed: Tensors that are trained, with weight decay.
        others: Without.
        weight_decay: As factor of the learning rate.
        is_fused: By torch's fused kernel, which is faster; the last bits are others.

    Source: Decoupled Weight Decay Regularization, Loshchilov and Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self, decayed: Sequence[Tensor], others: Sequence[Tensor], *, weight_decay: float, is_fused: bool
    ) -> None:
        whole = [*decayed, *others]
        self.state = {
            "means": [torch.zeros_like(each) for each in whole],
            "squares": [torch.zeros_like(each) for each in whole],
            "steps": [torch.zeros((), dtype=torch.float32, device=each.device) for each in whole],
        }
        rows = list(zip(whole, *self.state.values(), strict=True))
        self._groups = [(rows[: len(decayed)], weight_decay), (rows[len(decayed) :], 0.0)]
        self._is_fused = is_fused

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step, with a learning rate."""
        for group, weight_decay in self._groups:
            rows = [(each, each.grad, *state) for each, *state in group if each.grad is not None]
            if not rows:
                continue
            tensors, gradients, means, squares, steps = map(list, zip(*rows, strict=True))
            options: dict[str, Any] = {"lr": rate, "weight_decay": weight_decay, **_OPTIONS}
            if self._is_fused:  # directly: torch's function finds out for each step which tensors lie where
                torch._foreach_add_(steps, 1)
                torch._fused_adamw_(tensors, gradients, means, squares, [], steps, **options)
            else:
                adamw(tensors, gradients, means, squares, [], steps, foreach=False, **options)

    def load(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        """Go on from the `state` of another."""
        for name, own in self.state.items():
            for mine, saved in zip(own, state[name], strict=True):
                mine.copy_(saved)

"""AdamW by torch's fused kernel.

Not by its `Optimizer`, which imports a compiler first: that takes longer than a small training does.

Source: Decoupled Weight Decay Regularization, Loshchilov and Hutter 2019, arXiv:1711.05101.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class AdamW:
    """As `torch.optim.AdamW` with its usual betas and eps; gradients are in `grad`."""

    def __init__(self, decayed: Sequence[Tensor], others: Sequence[Tensor], *, weight_decay: float) -> None:
        self._groups = [(list(decayed), weight_decay), (list(others), 0.0)]
        whole = [each for group, _ in self._groups for each in group]
        self.state = {
            "means": [torch.zeros_like(each) for each in whole],
            "squares": [torch.zeros_like(each) for each in whole],
            "steps": [torch.zeros((), dtype=torch.float32, device=each.device) for each in whole],
        }

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step, with a learning rate."""
        start = 0
        for group, weight_decay in self._groups:
            mine = slice(start, start := start + len(group))
            if not group:
                continue
            steps = self.state["steps"][mine]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                group,
                [each.grad for each in group if each.grad is not None],
                self.state["means"][mine],
                self.state["squares"][mine],
                [],
                steps,
                lr=rate,
                beta1=0.9,
                beta2=0.999,
                weight_decay=weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )

    def load(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        """Go on from the `state` of another."""
        for name, own in self.state.items():
            for mine, saved in zip(own, state[name], strict=True):
                mine.copy_(saved)

"""Losses for one target, long tail included: logits and labels in, one number out.

Shapes: B clips, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from egoact.training.recipes import LOSSES

GAMMA = 2.0  # exponent of the focal loss, as its paper found best


class TargetLoss(nn.Module):
    """Mean loss over a batch.

    Args:
        name: One of `LOSSES`.
        class_counts: (K,) training segments of each class; balanced softmax and logit adjustment need them.
        class_weights: (K,) factor of each class, or None.
        label_smoothing: Share of the target that is spread over all classes.
        temperature: tau of logit adjustment; balanced softmax is the case tau = 1.

    Sources: Lin et al. 2017, arXiv:1708.02002 (focal); Ren et al. 2020, arXiv:2007.10740 (balanced softmax);
    Menon et al. 2021, arXiv:2007.07314 (logit adjustment).
    """

    prior: Tensor
    weights: Tensor | None

    def __init__(
        self,
        name: str = "cross_entropy",
        *,
        class_counts: Tensor,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if name not in LOSSES:
            raise ValueError(f"unknown loss {name!r}; there are {', '.join(LOSSES)}")
        for option, value, most in (("label_smoothing", label_smoothing, 1.0), ("temperature", temperature, torch.inf)):
            if not 0 <= value <= most or value == torch.inf:
                raise ValueError(f"{option} must be a number from 0 to {most}, got {value}")
        if class_weights is not None and class_weights.shape != class_counts.shape:
            shapes = f"class_weights have shape {tuple(class_weights.shape)}, class_counts {tuple(class_counts.shape)}"
            raise ValueError(shapes)
        self.name, self.label_smoothing = name, label_smoothing
        tau = {"balanced_softmax": 1.0, "logit_adjustment": temperature}.get(name, 0.0)
        # A class that never occurs in training counts as one half, so that its logarithm exists.
        share = class_counts.double().clamp_min(0.5)
        self.register_buffer("prior", (tau * (share / share.sum()).log()).float())
        self.register_buffer("weights", None if class_weights is None else class_weights.float())

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, K), (B,) -> scalar."""
        each = functional.cross_entropy(
            logits + self.prior,
            labels,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        if self.name == "focal":
            certainty = logits.softmax(1).gather(1, labels[:, None])[:, 0]
            each = each * (1 - certainty) ** GAMMA
        if self.weights is None:
            return each.mean()
        # The mean of weights is taken over the batch, as in torch's own weighted mean.
        return each.sum() / self.weights[labels].sum().clamp_min(torch.finfo(each.dtype).tiny)

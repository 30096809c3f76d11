"""Block after block, the last convolution learns to make do with the channels that are left: in closed form.

    teacher  x ──► block ──────────────────► y
    student  x' ─► fewer channels h ─► W h ─► y'         W by least squares, so that y' is nearest to y

The student's own x' goes in, so that every block makes good what those before it have lost.

Source: He et al. 2017, Channel Pruning for Accelerating Very Deep Neural Networks, arXiv:1707.06168.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

_BATCH = 16
_RIDGE = 1e-2  # of the mean square of a channel, towards the weights that are there


def refit_blocks(
    teacher: Sequence[nn.Module],
    student: Sequence[nn.Module],
    lasts: dict[int, nn.Conv2d],
    frames: Tensor,
    *,
    of_student: Tensor | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> list[float]:
    """Refit the student in place; gives the share of every refitted block's output that it does not explain.

    A block that is nothing but a convolution and its batch norm, such as the one that makes the features, has lost no
    channels; it is refitted to give from the student's maps what the teacher's gives before its activation.

    Frames are normalised, (N, 3, H, W), those of the student in its own way; what blocks give of them is kept in half
    precision. `lasts` has the last convolution, in the student, of blocks where channels were removed.
    """
    theirs, ours = frames, frames if of_student is None else of_student
    errors = []
    with torch.no_grad():
        for number, (full, small) in enumerate(zip(teacher, student, strict=True)):
            target = _run(full, theirs)
            if number in lasts and (after := _batch_norm_after(small, lasts[number])) is not None:
                errors.append(_refit(small, lasts[number], after, ours, target))
            elif number not in lasts and ours is not theirs and (pair := _plain(small)) and (pattern := _plain(full)):
                errors.append(_refit_plain(pattern, pair, theirs, ours))
            theirs, ours = target, _run(small, ours)
            advance(1)
    return errors


def fit_projection(pairs: Iterable[tuple[Tensor, Tensor]]) -> nn.Conv2d:
    """The 1 x 1 convolution that turns a student's maps into its teacher's, by least squares over all cells.

    Args:
        pairs: The student's maps (B, I, h, w) and the teacher's (B, O, h, w) of the same pictures, a batch at a time.
    """
    equations: _Equations | None = None
    for given, wanted in pairs:
        if equations is None:
            conv = nn.Conv2d(given.shape[1], wanted.shape[1], 1)
            equations = _Equations(conv)
        equations.add(given, wanted)
    assert equations is not None, "there are pictures"
    found = equations.weights().float()
    with torch.no_grad():
        conv.weight.copy_(found[:-1].T[:, :, None, None])  # pyrefly: ignore[unbound-name]
        conv.bias.copy_(found[-1])  # pyrefly: ignore[missing-attribute]
    return conv


def _run(block: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([block(part.float()).half() for part in inputs.split(_BATCH)])


def _batch_norm_after(block: nn.Module, last: nn.Conv2d) -> nn.BatchNorm2d | None:
    """The batch norm that follows the last convolution of a block, if it ends the block without an activation."""
    modules = [m for m in block.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    after = modules[modules.index(last) + 1 :]
    if last.kernel_size != (1, 1) or len(after) != 1 or not isinstance(after[0], nn.BatchNorm2d):
        return None
    activation = getattr(after[0], "act", nn.Identity())
    return after[0] if isinstance(activation, nn.Identity) else None


def _plain(block: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d] | None:
    """The two layers of a block that is nothing but a 1 x 1 convolution and its batch norm."""
    layers = [m for m in block.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    if len(layers) != 2 or not isinstance(layers[0], nn.Conv2d) or not isinstance(layers[1], nn.BatchNorm2d):
        return None
    return (layers[0], layers[1]) if layers[0].kernel_size == (1, 1) and layers[0].groups == 1 else None


def _refit(block: nn.Module, last: nn.Conv2d, norm: nn.BatchNorm2d, inputs: Tensor, target: Tensor) -> float:
    """Solve for the last convolution of a block."""
    seen: dict[str, Tensor] = {}
    hooks = [
        last.register_forward_pre_hook(lambda _, given: seen.__setitem__("hidden", given[0])),
        norm.register_forward_hook(lambda _, given, output: seen.__setitem__("linear", output)),
    ]
    equations = _Equations(last)
    try:
        for part, wanted in zip(inputs.split(_BATCH), target.split(_BATCH), strict=True):
            output = block(part.float())
            # What the block adds to its last convolution, such as its own input, stays as it is.
            equations.add(seen["hidden"], wanted.float() - (output - seen["linear"]))
    finally:
        for hook in hooks:
            hook.remove()
    return equations.solve(last, norm)


def _refit_plain(
    teacher: tuple[nn.Conv2d, nn.BatchNorm2d],
    student: tuple[nn.Conv2d, nn.BatchNorm2d],
    theirs: Tensor,
    ours: Tensor,
) -> float:
    """Solve for a convolution whose input alone has changed."""
    conv, norm = teacher
    equations = _Equations(student[0])
    for before, now in zip(theirs.split(_BATCH), ours.split(_BATCH), strict=True):
        linear = nn.functional.batch_norm(
            conv(before.float()), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
        equations.add(now.float(), linear)
    return equations.solve(*student)


class _Equations:
    """The normal equations of a 1 x 1 convolution with a bias: (B, I, h, w) to (B, O, h, w)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.width, self.outputs = conv.in_channels + 1, conv.out_channels
        self.gram = torch.zeros(self.width, self.width, dtype=torch.float64)
        self.cross = torch.zeros(self.width, self.outputs, dtype=torch.float64)
        self.total = torch.zeros(self.outputs, dtype=torch.float64)

    def add(self, given: Tensor, wanted: Tensor) -> None:
        """Some more cells."""
        rows, targets = (maps.movedim(1, -1).flatten(0, 2) for maps in (given, wanted))
        rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
        self.gram += (rows.T @ rows).double()
        self.cross += (rows.T @ targets).double()
        self.total += targets.double().pow(2).sum(0)

    def weights(self, before: Tensor | float = 0.0) -> Tensor:
        """(I + 1, O), the last row the bias: least squares, pulled towards other weights."""
        ridge = torch.eye(self.width, dtype=torch.float64) * (_RIDGE * float(self.gram.diagonal().mean()))
        return torch.linalg.solve(self.gram + ridge, self.cross + ridge @ (torch.zeros_like(self.cross) + before))

    def solve(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> float:
        """Into a convolution, and the shift of its batch norm; gives the share that is not explained."""
        assert norm.running_var is not None and norm.running_mean is not None
        deviation = (norm.running_var + norm.eps).sqrt()
        scale = (norm.weight / deviation).double()
        before = torch.cat([conv.weight.flatten(1).double() * scale[:, None], torch.zeros(self.outputs, 1)], dim=1).T
        before[-1] = norm.bias.double() - norm.running_mean.double() * scale
        found = self.weights(before)
        conv.weight.copy_(found[:-1].T.float().view_as(conv.weight))
        norm.weight.copy_(deviation)
        norm.running_mean.zero_()
        norm.bias.copy_(found[-1].float())
        left = self.total - 2 * (found * self.cross).sum(0) + (found * (self.gram @ found)).sum(0)
        return float(left.sum() / self.total.sum())

"""Block after block, the last convolution learns to make do with the channels that are left: in closed form.

    teacher  x ──► block ──────────────────► y
    student  x' ─► fewer channels h ─► W h ─► y'         W by least squares, so that y' is nearest to y

The student's own x' goes in, so that every block makes good what those before it have lost.

Source: He et al. 2017, Channel Pruning for Accelerating Very Deep Neural Networks, arXiv:1707.06168.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_BATCH = 16
_RIDGE = 1e-3  # of the mean square of a channel, towards the weights that are there


def refit_blocks(
    teacher: Sequence[nn.Module],
    student: Sequence[nn.Module],
    lasts: dict[int, nn.Conv2d],
    frames: Tensor,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> list[float]:
    """Refit the student in place; gives the share of every refitted block's output that it does not explain.

    Args:
        teacher: Blocks.
        student: The same ones with fewer channels inside.
        lasts: Block -> its last convolution, in the student, where channels were removed.
        frames: Normalised, (N, 3, H, W); what blocks give of them is kept in half precision.
        advance: Told of every block.
    """
    theirs, ours = frames, frames
    errors = []
    with torch.no_grad():
        for number, (full, small) in enumerate(zip(teacher, student, strict=True)):
            target = _run(full, theirs)
            if number in lasts and (after := _batch_norm_after(small, lasts[number])) is not None:
                errors.append(_refit(small, lasts[number], after, ours, target))
            theirs, ours = target, _run(small, ours)
            advance(1)
    return errors


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


def _refit(block: nn.Module, last: nn.Conv2d, norm: nn.BatchNorm2d, inputs: Tensor, target: Tensor) -> float:
    """Solve for the last convolution and its batch norm's shift."""
    seen: dict[str, Tensor] = {}
    hooks = [
        last.register_forward_pre_hook(lambda _, given: seen.__setitem__("hidden", given[0])),
        norm.register_forward_hook(lambda _, given, output: seen.__setitem__("linear", output)),
    ]
    width, outputs = last.in_channels + 1, last.out_channels
    gram, cross = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, outputs, dtype=torch.float64)
    spread = torch.zeros(outputs, dtype=torch.float64)
    try:
        for part, wanted in zip(inputs.split(_BATCH), target.split(_BATCH), strict=True):
            output = block(part.float())
            hidden = seen["hidden"].movedim(1, -1).flatten(0, 2)
            # What the block adds to its last convolution, such as its own input, stays as it is.
            linear = (wanted.float() - (output - seen["linear"])).movedim(1, -1).flatten(0, 2)
            rows = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1)
            gram += (rows.T @ rows).double()
            cross += (rows.T @ linear).double()
            spread += linear.double().pow(2).sum(0)
    finally:
        for hook in hooks:
            hook.remove()
    assert norm.running_var is not None and norm.running_mean is not None
    deviation = (norm.running_var + norm.eps).sqrt()
    scale = (norm.weight / deviation).double()
    before = torch.cat([last.weight.flatten(1).double() * scale[:, None], torch.zeros(outputs, 1)], dim=1).T
    before[-1] = norm.bias.double() - norm.running_mean.double() * scale
    ridge = torch.diag(torch.full((width,), _RIDGE * float(gram.diagonal().mean()), dtype=torch.float64))
    found = torch.linalg.solve(gram + ridge, cross + ridge @ before)
    last.weight.copy_(found[:-1].T.float().view_as(last.weight))
    norm.weight.copy_(deviation)
    norm.running_mean.zero_()
    norm.bias.copy_(found[-1].float())
    left = spread - 2 * (found * cross).sum(0) + (found * (gram @ found)).sum(0)
    return float(left.sum() / spread.sum())

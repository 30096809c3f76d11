"""What every temporal head is, and the pieces that several of them use.

Shapes: B clips, T frames, D pooled features, C x h x w maps, E embedding width.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, distributed, nn


class Head(nn.Module, ABC):
    """Turns the features of a clip into one embedding, on which the classifiers stand."""

    kind: Literal["pooled", "maps"] = "pooled"  # the features it takes: (B, T, D) or (B, T, C, h, w)
    width: int  # E
    takes_streams: ClassVar[bool] = False  # it has an option `streams`: which numbers belong together
    queries: tuple[str, ...] = ()  # its embedding has a part of its own for each of these classifiers
    num_replicas: int = 1  # and the embedding is that of so many heads side by side

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed clips: float (B, T, D) or (B, T, C, h, w) -> (B, E).

        The mask is bool (B, T), True where a frame is there; frames that are there come first. None: all are.
        """


class Standardize(nn.Module):
    """(x - mean) / std over the last axis, with statistics taken once from training data, not learned.

    Features of a frozen backbone do not move, so neither do these; unlike batch normalisation nothing depends on
    the composition of a batch. Until `observe` has been called it is the identity.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self._sums: tuple[Tensor, Tensor, int] | None = None

    def begin(self) -> None:
        """Start to collect statistics from whatever passes through."""
        zeros = torch.zeros_like(self.mean, dtype=torch.float64)
        self._sums = (zeros, zeros.clone(), 0)

    def end(self) -> None:
        """Take over the collected statistics."""
        assert self._sums is not None
        total, squares, count = self._sums
        if count > 1:
            mean = total / count
            variance = (squares / count - mean**2).clamp_min(0)
            self.mean.copy_(mean)
            # A feature that never changes in training says nothing: its scale stays 1.
            self.std.copy_(torch.where(variance > 1e-10, variance.sqrt(), torch.ones_like(variance)))
        self._sums = None

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if self._sums is not None:
            flat = x.detach().reshape(-1, x.shape[-1]).double()
            total, squares, count = self._sums
            self._sums = (total + flat.sum(0), squares + (flat**2).sum(0), count + len(flat))
        return (x - self.mean) / self.std


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that copes with an epoch that ends on a single clip, and with a batch in several processes.

    One value a channel has no spread to learn from, and torch refuses it: such a batch takes the running statistics.
    Processes that share a batch share its statistics, so that the sharing changes nothing; torch's own
    `SyncBatchNorm` does that on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        if self.training and distributed.is_available() and distributed.is_initialized():
            return self._normalise_together(input)
        if self.training and input.numel() == input.shape[1]:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _normalise_together(self, input: Tensor) -> Tensor:
        over = [axis for axis in range(input.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(input.ndim)]
        own = input.float()
        count = own.new_tensor(input.numel() // input.shape[1])
        distributed.all_reduce(count)
        mean = _SumOfProcesses.apply(own.sum(over)) / count
        centred = own - mean.view(shape)
        variance = _SumOfProcesses.apply((centred**2).sum(over)) / count
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(input.dtype)


class _SumOfProcesses(torch.autograd.Function):
    """The sum over all processes, through which gradients flow back to all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: D102
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: D102
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


def all_frames(features: Tensor, mask: Tensor | None) -> Tensor:
    """The mask as float (B, T, 1), ones where it is None."""
    if mask is None:
        return features.new_ones(features.shape[0], features.shape[1], 1)
    return mask.unsqueeze(-1).to(features.dtype)


def without_absent(features: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in place of frames that are not there: (B, T, ...) -> (B, T, ...).

    Not a product with the mask, because what stands there may be NaN, and NaN times zero is NaN.
    """
    if mask is None:
        return features
    return features.masked_fill(~mask.view(*mask.shape, *(1 for _ in features.shape[2:])), 0)


def masked_mean(x: Tensor, weight: Tensor) -> Tensor:
    """(B, T, D), (B, T, 1) -> (B, D); a clip without any frame gives zeros."""
    return (x * weight).sum(1) / weight.sum(1).clamp_min(1)


def last_valid(x: Tensor, mask: Tensor | None) -> Tensor:
    """(B, T, ...) -> (B, ...): the last frame that is there."""
    if mask is None:
        return x[:, -1]
    index = mask.sum(1).clamp_min(1) - 1
    return x[torch.arange(x.shape[0], device=x.device), index]


class Positions(nn.Module):
    """Learned frame positions (T, E), interpolated when a clip has another length."""

    def __init__(self, num_frames: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(nn.init.normal_(torch.empty(num_frames, width), std=0.02))

    def forward(self, num_frames: int) -> Tensor:  # noqa: D102
        if num_frames == self.table.shape[0]:
            return self.table
        stretched = nn.functional.interpolate(self.table.T[None], size=num_frames, mode="linear", align_corners=True)
        return stretched[0].T


State = tuple[Tensor, ...]


class SteppingHead(Head):
    """A head that takes in the frames of a clip one after the other, at a cost that does not grow with its length.

        state = head.initial_state(B)
        embedding, state = head.step(frame, state)      after T frames: head.forward of these T frames

    A state holds tensors only, of sizes that never change: a graph that is exported can pass it in and out.
    """

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """What is known before the first frame; a `ValueError` where the head's options need whole clips."""

    @abstractmethod
    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """Take in a frame, float (B, D) or (B, C, h, w); the state of those before is left as it is.

        Gives the embedding of all frames so far, (B, E), and the state after this one.
        """

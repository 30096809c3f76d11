"""Trainings side by side: weights in one tensor a name, and random numbers of each.

Shapes: M models.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn


class Stack:
    """Moves parameters and buffers of models, which go on working as before, into tensors (M, ...).

    Attributes:
        tensors: Name in the state of each model -> (M, ...).
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        states = [model.state_dict(keep_vars=True) for model in models]
        self.tensors: dict[str, Tensor] = {}
        self._slices: list[tuple[Tensor, list[Tensor]]] = []  # of what is trained
        for name, first in states[0].items():
            parts = [state[name] for state in states]
            if len(parts) == 1:  # as it lies: fused recurrent layers of a GPU want their weights in one piece
                whole = first.data.unsqueeze(0)
            else:
                whole = torch.stack([part.data for part in parts])
                for part, own in zip(parts, whole, strict=True):
                    part.data = own
            self.tensors[name] = whole
            if first.requires_grad:
                self._slices.append((whole, parts))

    @property
    def trained(self) -> list[Tensor]:
        """The tensors of parameters that want gradients; those are in their `grad` once they have begun."""
        return [whole for whole, _ in self._slices]

    def begin_gradients(self) -> None:
        """From now on each model adds its gradients to its slice of `grad` of the whole."""
        for whole, parts in self._slices:
            whole.grad = torch.zeros_like(whole)
            for part, own in zip(parts, whole.grad, strict=True):
                part.grad = own

    def zero_gradients(self) -> None:
        """Before a step."""
        torch._foreach_zero_([whole.grad for whole in self.trained if whole.grad is not None])

    def state(self, number: int) -> dict[str, Tensor]:
        """A copy of the state of one model."""
        return {name: whole[number].clone() for name, whole in self.tensors.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over values, as in `tensors`; a `KeyError` where one is missing."""
        for name, whole in self.tensors.items():
            whole.copy_(tensors[name])


@torch.no_grad()
def clip_norms(trained: Sequence[Tensor], most: float) -> None:
    """Scale gradients (M, ...) so that their norm of each model is at most this; as `clip_grad_norm_` does of one."""
    gradients = [whole.grad for whole in trained if whole.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(each.reshape(len(each), -1), dim=1) for each in gradients])
    factors = (most / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(factors.view(-1, *(1 for _ in each.shape[1:])))


class Draws:
    """A stream of random numbers for each training, so that it draws as if it were alone."""

    def __init__(self, device: torch.device, *, is_alone: bool) -> None:
        self._is_alone, self._is_cuda = is_alone, device.type == "cuda"
        self._states: list[list[Tensor]] = []

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin all streams, with a seed each."""
        self._states = []
        for seed in seeds:
            torch.default_generator.manual_seed(seed)  # `torch.manual_seed` formats a traceback where CUDA sleeps
            if self._is_cuda:
                torch.cuda.manual_seed(seed)
            self._states.append(self._now())

    @contextlib.contextmanager
    def of(self, number: int) -> Iterator[None]:
        """What is drawn in here is drawn from the stream of one of them."""
        if self._is_alone:
            yield
            return
        own = self._states[number]
        torch.set_rng_state(own[0])
        if self._is_cuda:
            torch.cuda.set_rng_state(own[1])
        yield
        self._states[number] = self._now()

    def _now(self) -> list[Tensor]:
        return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if self._is_cuda else [])]

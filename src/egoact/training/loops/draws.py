"""Random numbers of trainings that run side by side; knows nothing of what is drawn."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


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

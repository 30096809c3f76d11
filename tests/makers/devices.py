"""A device that works by itself, as a GPU does, made of this processor: as late, or as early, as it may be."""

from collections.abc import Callable

import torch
from torch import Tensor


class Late:
    """A queue that does nothing before somebody waits for it; or everything as soon as it may."""

    def __init__(self, *, is_early: bool = False, obeys: bool = True) -> None:
        self.todo: list[Callable[[], object]] = []
        self.done = 0
        self.is_early, self.obeys = is_early, obeys

    def do(self, work: Callable[[], None]) -> None:
        self.todo.append(work)
        if self.is_early:
            self.go(len(self.todo))

    def mark(self) -> "Place":
        return Place(self, len(self.todo))

    def wait_for(self, mark: "Place") -> None:
        if self.obeys:
            self.do(mark.synchronize)

    def go(self, stop: int) -> None:
        while self.done < stop:
            self.done += 1
            self.todo[self.done - 1]()


class Place:
    def __init__(self, queue: Late, stop: int) -> None:
        self.queue, self.stop = queue, stop

    def synchronize(self) -> None:
        self.queue.go(self.stop)


class Fake:
    """A device that is this processor, in its own time."""

    place = torch.device("cpu")

    def __init__(self, copies: Late, work: Late) -> None:
        self.copies, self.work = copies, work

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.full(shape, 77, dtype=dtype)  # what is read too early shows

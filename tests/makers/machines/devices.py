"""A device that works by itself, as a GPU does, made of this processor: as late, or as early, as it may be."""

import json
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
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


class StandIn:
    """As much of `torchcodec.decoders.VideoDecoder` as we use."""

    cpu_fallback = False

    def __init__(self, path: str, *, stream_index: int, device: str, custom_frame_mappings: str) -> None:
        with av.open(path) as container:
            pictures = list(container.decode(container.streams[stream_index]))
        listed = json.loads(custom_frame_mappings)["frames"]
        assert [picture.pts for picture in pictures] == [each["pts"] for each in listed] and device == "cpu"
        assert [each["key_frame"] for each in listed] == [1] + [0] * (len(listed) - 1)
        arrays = [picture.to_ndarray(format="rgb24") for picture in pictures]
        self.pictures = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        self.seconds = torch.tensor([float(picture.pts * picture.time_base) for picture in pictures])

    def get_frames_at(self, numbers: list[int]) -> SimpleNamespace:
        return SimpleNamespace(data=self.pictures[numbers], pts_seconds=self.seconds[numbers].double())


def stand_in_for_torchcodec(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """Put a class of its own, which may be changed, where torchcodec would be."""
    made = type("Changed", (StandIn,), {})
    module = ModuleType("torchcodec.decoders")
    module.VideoDecoder = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    return made

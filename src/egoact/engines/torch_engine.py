"""Torch as an engine: the reference on a CPU, the fast one on a GPU."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from egoact.engines.cuda import CudaDevice, capture
from egoact.engines.device_batches import Device, DeviceBatches, Finish
from egoact.engines.frame_model import FrameModel
from egoact.engines.interface import Options, checked_frames

_TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


class TorchEngine:
    """Torch, channels-last; autocast to half precision where that is asked for, and on a GPU by default.

    Compiled, it is 1.6 times as fast on a CPU (`docs/LOG.md`), after up to half a minute. Every batch has the full size
    then, filled up if need be, for which it is compiled once. Where it cannot be compiled, it goes on as it is.

    On a GPU, frames are copied there while those before are computed, see `DeviceBatches`.

    Args:
        model: What it computes.
        options: How.
        device: Hooks of what it computes on; None: those of a GPU, and of a CPU none.

    Attributes:
        replays: Whether whole batches are replayed as one graph of the GPU, which saves the time to begin each kernel.
    """

    name = "torch"
    graph: bytes | None = None

    def __init__(self, model: FrameModel, options: Options, device: Device | None = None) -> None:
        self.input_size, self.num_channels = options.input_size, model.num_channels
        self.device = torch.device(options.device)
        self.precision = _choose(options.precision, self.device)
        self.batch_size = 128 if self.device.type == "cuda" else 16
        self._window, self._model = model.window, model.to(self.device)
        if self._window:  # a window is a batch of pictures by itself
            self.batch_size = 8 if self.device.type == "cuda" else 1
        else:
            self._model = self._model.to(memory_format=torch.channels_last)
        self._compiled = torch.compile(self._model, dynamic=False) if options.is_compiled else None
        self.replays = False
        if device is None and self.device.type == "cuda":
            device = CudaDevice(self.device)
        shape = (*self._window, *self.input_size, self.num_channels)
        self._batches = None if device is None else DeviceBatches(self._compute, device, shape=shape)
        self._replay: Callable[[Tensor], Tensor] | None = None
        self._replayed = 0  # frames of its batch

    @property
    def is_ahead(self) -> bool:
        """Whether it works beside this processor."""
        return self._batches is not None

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        return self.start(frames)()

    def start(self, frames: np.ndarray | Tensor) -> Finish:
        """Begin with frames, which may lie on the device already; gives what waits for their features."""
        if isinstance(frames, np.ndarray):
            frames = checked_frames(frames, self.input_size, self.num_channels, self._window)
        if self._batches is not None:
            return self._batches.start(frames, self.batch_size)
        found = self._run_here(frames)
        return lambda: found

    def _run_here(self, frames: np.ndarray | Tensor) -> np.ndarray:
        batch = torch.tensor(frames) if isinstance(frames, np.ndarray) else frames
        size = len(batch) if self._compiled is None else self.batch_size
        with self._manner():
            return np.concatenate([self._run(part).numpy() for part in batch.split(size)])

    @contextmanager
    def _manner(self) -> Iterator[None]:
        """Without gradients, in the precision; a graph casts its weights itself, as a cache of them would not last."""
        kind, may_cache = _TYPES.get(self.precision), not self.replays
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, kind, enabled=kind is not None, cache_enabled=may_cache),
        ):
            yield

    def _compute(self, batch: Tensor) -> Tensor:
        """Of one batch on the device."""
        with self._manner():
            if not self.replays or len(batch) < self.batch_size:
                return self._run(batch)
            if self._replay is None or self._replayed != self.batch_size:
                try:
                    self._replay, self._replayed = capture(self._run, batch), self.batch_size
                except Exception as error:  # of CUDA, its libraries and compilers
                    reason = " ".join(str(error).split())[:120]
                    print(f"torch: cannot replay the backbone ({reason}); going on without", file=sys.stderr)
                    self.replays = False
                    return self._run(batch)
            return self._replay(batch)

    def _run(self, batch: Tensor) -> Tensor:
        if self._compiled is not None:
            filled = torch.cat([batch, batch.new_zeros(self.batch_size - len(batch), *batch.shape[1:])])
            try:
                return self._compiled(filled)[: len(batch)].float()
            except Exception as error:  # compilers, and what they call, fail in many ways
                reason = " ".join(str(error).split())[:120]
                print(f"torch: cannot compile the backbone ({reason}); going on without", file=sys.stderr)
                self._compiled = None
        return self._model(batch).float()


def half_of_gpu(device: str | torch.device) -> str:
    """The half precision that a GPU multiplies directly."""
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "f16"


def _choose(precision: str, device: torch.device) -> str:
    on_gpu = device.type == "cuda"
    if precision == "auto":
        if not on_gpu:
            return "f32"
        return half_of_gpu(device)
    if precision == "int8":
        raise ValueError("engine torch offers no int8; use --engine openvino or onnxruntime")
    if precision == "f16" and not on_gpu:
        raise ValueError("f16 is for GPUs; on a CPU there are f32, bf16 and int8")
    return precision

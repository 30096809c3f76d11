"""Torch as an engine: the reference on a CPU, the fast one on a GPU."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from egoact.engines.device_batches import Device, DeviceEngine, capture
from egoact.engines.frame_model import FrameModel
from egoact.engines.interface import Options

_TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


class TorchEngine(DeviceEngine):
    """Torch, channels-last; autocast to half precision where that is asked for, and on a GPU by default.

    Compiled, it is 1.6 times as fast on a CPU (`docs/LOG.md`), after up to half a minute. Every batch has the full size
    then, filled up if need be, for which it is compiled once. Where it cannot be compiled, it goes on as it is.

    On a GPU, frames are copied there while those before are computed, see `DeviceBatches`.

    Attributes:
        replays: Whether whole batches are replayed as one graph of the GPU, which saves the time to begin each kernel.
    """

    name = "torch"

    def __init__(self, model: FrameModel, options: Options, device: Device | None = None) -> None:
        super().__init__(model, options)
        self.precision = _choose(options.precision, self.device)
        self._model = model.to(self.device)
        on_gpu = self.device.type == "cuda"
        if model.window:  # a window is a batch of pictures by itself
            self.batch_size = 8 if on_gpu else 1
        else:
            self.batch_size = 128 if on_gpu else 16
            self._model = self._model.to(memory_format=torch.channels_last)
        self._compiled = torch.compile(self._model, dynamic=False) if options.is_compiled else None
        self.replays = False
        self._replay: Callable[[Tensor], Tensor] | None = None
        self._replayed = 0  # frames of its batch
        self._compute_on(device, self._compute)

    def _run_here(self, frames: np.ndarray | Tensor) -> np.ndarray:
        batch = torch.tensor(frames) if isinstance(frames, np.ndarray) else frames
        size = len(batch) if self._compiled is None else self.batch_size
        with self._manner():
            return np.concatenate([self._run(part).numpy() for part in batch.split(size)])

    @contextmanager
    def _manner(self) -> Iterator[None]:
        """Without gradients, in the precision; a graph casts its weights itself, as a cache of them would not last."""
        kind = _TYPES.get(self.precision)
        autocast = torch.autocast(self.device.type, kind, enabled=kind is not None, cache_enabled=not self.replays)
        with torch.inference_mode(), autocast:
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
                    _warn("replay", error)
                    self.replays = False
                    return self._run(batch)
            return self._replay(batch)

    def _run(self, batch: Tensor) -> Tensor:
        if self._compiled is not None:
            filled = torch.cat([batch, batch.new_zeros(self.batch_size - len(batch), *batch.shape[1:])])
            try:
                return self._compiled(filled)[: len(batch)].float()
            except Exception as error:  # compilers, and what they call, fail in many ways
                _warn("compile", error)
                self._compiled = None
        return self._model(batch).float()


def _warn(what: str, error: Exception) -> None:
    reason = " ".join(str(error).split())[:120]
    print(f"torch: cannot {what} the backbone ({reason}); going on without", file=sys.stderr)


def half_of_gpu(device: str | torch.device) -> str:
    """The half precision that a GPU multiplies directly."""
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "f16"


def _choose(precision: str, device: torch.device) -> str:
    on_gpu = device.type == "cuda"
    if precision == "auto":
        return half_of_gpu(device) if on_gpu else "f32"
    if precision == "int8":
        raise ValueError("engine torch offers no int8; use --engine openvino or onnxruntime")
    if precision == "f16" and not on_gpu:
        raise ValueError("f16 is for GPUs; on a CPU there are f32, bf16 and int8")
    return precision

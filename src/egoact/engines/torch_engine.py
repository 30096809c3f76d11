"""Torch as an engine: the reference on a CPU, the fast one on a GPU."""

import sys

import numpy as np
import torch
from torch import Tensor

from egoact.engines.frame_model import FrameModel
from egoact.engines.interface import Options, checked_frames

_TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


class TorchEngine:
    """Torch, channels-last; autocast to half precision where that is asked for, and on a GPU by default.

    Compiled, it is 1.6 times as fast on a CPU (`docs/LOG.md`), after up to half a minute. Every batch has the full size
    then, filled up if need be, for which it is compiled once. Where it cannot be compiled, it goes on as it is.
    """

    name = "torch"
    graph: bytes | None = None

    def __init__(self, model: FrameModel, options: Options) -> None:
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

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        kind = _TYPES.get(self.precision)
        with torch.inference_mode(), torch.autocast(self.device.type, kind, enabled=kind is not None):
            given = checked_frames(frames, self.input_size, self.num_channels, self._window)
            batch = torch.tensor(given, device=self.device)
            size = len(batch) if self._compiled is None else self.batch_size
            return np.concatenate([self._run(part).cpu().numpy() for part in batch.split(size)])

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

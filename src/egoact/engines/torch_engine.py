"""Torch as an engine: the reference on a CPU, the fast one on a GPU."""

import numpy as np
import torch

from egoact.engines.engine import FrameModel, checked_frames


class TorchEngine:
    """Eager torch; channels-last, and autocast to bfloat16 on a GPU."""

    name = "torch"

    def __init__(self, model: FrameModel, *, input_size: tuple[int, int], precision: str, device: str) -> None:
        self.input_size = input_size
        self.device = torch.device(device)
        fast = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.precision = ("bf16" if fast else "f32") if precision == "auto" else precision
        self.batch_size = 256 if self.device.type == "cuda" else 32
        self._model = model.to(self.device).to(memory_format=torch.channels_last)

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            batch = torch.tensor(checked_frames(frames, self.input_size), device=self.device)
            return self._model(batch).float().cpu().numpy()

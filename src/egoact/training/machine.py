"""Where a training runs; knows nothing of how, so that asking for it loads no training loop."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

PRECISIONS: dict[str, Any] = {"f32": "32-true", "bf16": "bf16-mixed"}
Precision = Literal["auto", "f32", "bf16"]


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Args:
        device: auto, cpu or cuda.
        precision: f32, or bf16: matrix products in bfloat16, weights in float32.
        devices: Processes a node, each with its own device.
        nodes: Machines that share the work.

    Raises:
        ValueError: Something that there is not.
    """

    device: str = "auto"
    precision: Precision = "auto"
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"--device must be auto, cpu or cuda, got {self.device!r}")
        for name in ("devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if self.device == "cpu" or (self.device == "auto" and self.devices == 1):
            return  # nothing to look for, and no torch to wait for
        import torch

        found = torch.cuda.device_count()
        if self.device == "cuda" and not found:
            raise ValueError("--device cuda: no CUDA device found here")
        if 0 < found < self.devices:
            raise ValueError(f"--devices {self.devices}: this machine has {found} CUDA devices")

    @property
    def is_alone(self) -> bool:
        """Whether one process does all the work."""
        return self.devices * self.nodes == 1

    def torch_device(self) -> "torch.device":
        """Where this one process works."""
        import torch

        is_cuda = self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available())
        return torch.device("cuda" if is_cuda else "cpu")

    def trainer_arguments(self) -> dict[str, Any]:
        """Keyword arguments of Lightning's Trainer."""
        return {
            "accelerator": "gpu" if self.device == "cuda" else self.device,
            "precision": PRECISIONS["f32" if self.precision == "auto" else self.precision],
            "devices": self.devices,
            "num_nodes": self.nodes,
            "strategy": "auto" if self.is_alone else "ddp",
        }


@contextlib.contextmanager
def working_recurrence(precision: Precision) -> Iterator[None]:
    """Leave oneDNN out for bf16 on a processor without its instructions: the LSTM fails there instead of being slow."""
    import torch

    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(before and (precision != "bf16" or torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextlib.contextmanager
def few_threads(*, pooled: bool) -> Iterator[None]:
    """One thread for heads on pooled features: their steps take milliseconds.

    Two threads gain a third on an idle machine, and lose a factor of ten where another process wants a core.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if pooled else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""Where a training runs, and how the processes that share it meet; asking for it loads neither torch nor a loop."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Precision = Literal["auto", "f32", "bf16"]
_PATIENCE = timedelta(days=7)  # the first process may decode for hours before the others have anything to do


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Args:
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

    def meet(self) -> None:
        """Begin what several processes do together: the first starts those that nobody else starts, and all meet.

        Each of the others is the same command once more.
        """
        if self.is_alone:
            return
        from lightning.fabric import Fabric
        from lightning.fabric.strategies import DDPStrategy
        from torch import distributed

        if distributed.is_initialized():
            return
        logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
        strategy, accelerator = DDPStrategy(timeout=_PATIENCE), "gpu" if self.device == "cuda" else self.device
        Fabric(accelerator=accelerator, devices=self.devices, num_nodes=self.nodes, strategy=strategy).launch()


def rank_and_size() -> tuple[int, int]:
    """Which of the processes this is, and how many share the training: (0, 1) before they have met."""
    from torch import distributed

    is_shared = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if is_shared else (0, 1)


def sum_of_all(values: "Tensor") -> "Tensor":
    """What all processes have, added up; they lie on the device of the training."""
    from torch import distributed

    if rank_and_size()[1] > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values


def share_gradients(gradients: "Sequence[Tensor]") -> None:
    """Give every process the mean of the gradients of all, in place."""
    import torch

    size = rank_and_size()[1]
    if size == 1:
        return
    means = sum_of_all(torch.cat([each.flatten() for each in gradients]) / size)
    for each, mean in zip(gradients, means.split([each.numel() for each in gradients]), strict=True):
        each.copy_(mean.view_as(each))


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

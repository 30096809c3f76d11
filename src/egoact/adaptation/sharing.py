"""A fine-tuning that several processes of one machine share: each has a device, and its part of the clips of a step.

Outside of such a training there is one process, which has all of them.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from egoact.training.machine import Machine
from egoact.training.run_folder import is_leader

_PATIENCE = timedelta(days=7)  # the first process may decode for hours before the others have anything to do


@contextmanager
def first_alone(num_processes: int) -> Iterator[None]:
    """The first process does what is inside and then starts the others, which find what it made; all meet.

    Where they are started by something else, such as torchrun, the others wait for the first.

    Args:
        num_processes: That share the training; each of the others is the same command once more.

    Raises:
        ValueError: More than there are CUDA devices.
    """
    machine = Machine(devices=num_processes)
    if not is_leader():
        _meet(machine)
    yield
    if is_leader():
        _meet(machine)


def _meet(machine: Machine) -> None:
    if machine.is_alone:
        return
    from lightning.fabric import Fabric
    from lightning.fabric.strategies import DDPStrategy

    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    Fabric(**(machine.trainer_arguments() | {"strategy": DDPStrategy(timeout=_PATIENCE)})).launch()


def rank_and_size() -> tuple[int, int]:
    """Which of the processes this is, and how many share the training."""
    is_shared = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if is_shared else (0, 1)


def joined(module: nn.Module) -> nn.Module:
    """The module, whose gradients become the mean of those of all processes."""
    return DistributedDataParallel(module) if rank_and_size()[1] > 1 else module


def apart(module: nn.Module, *, is_apart: bool) -> AbstractContextManager[None]:
    """Where the gradients of a `joined` module stay its own for now."""
    return module.no_sync() if is_apart and isinstance(module, DistributedDataParallel) else nullcontext()


def sum_of_all(value: float) -> float:
    """Of what each process has."""
    if rank_and_size()[1] == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device="cuda" if torch.cuda.is_available() else "cpu")
    distributed.all_reduce(total)
    return float(total)

"""One training in several processes: each runs the same command, one of them writes."""

import os

_RANKS = ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def is_leader() -> bool:
    """Whether this process writes the run directory: the only one, or the first of all.

    Goes by what Lightning, torchrun and SLURM tell their processes, because it is asked before they have met.
    """
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def part_ways() -> None:
    """From here on no process waits for another, and the leader works alone."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()

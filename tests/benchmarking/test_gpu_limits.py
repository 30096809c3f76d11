"""What a GPU could do at most, tried on a processor."""

import numpy as np
import pytest

from egoact.benchmarking.engines import GOAL_FROM_HOST, _figures_from_host, copy_tasks, network_task
from egoact.benchmarking.train import classifier_task, matrix_figures
from egoact.models.backbones.registry import load_backbone


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_tasks_say_how_much_they_did(precision: str) -> None:
    frames = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    backbone = load_backbone("tiny-random", size=32)
    assert network_task(backbone, frames, precision=precision, device="cpu", is_compiled=False)() == 3
    assert classifier_task(num_clips=600, width=8, device="cpu")() == 600
    assert copy_tasks(frames, "cpu") == {} and matrix_figures("cpu", {"head": 1.0}, num_clips=600) == []


def test_the_best_engine_is_held_to_the_limits() -> None:
    rows = [["torch", "f32", 32, 10.0], ["torch", "f16", 512, 60.0]]
    limits = dict.fromkeys(["copies, pinned", "copies, pageable", "frames on the GPU, bf16", "frames on the GPU, f16"])
    rates = dict(zip(limits, (240.0, 100.0, 70.0, 80.0), strict=True))
    found = _figures_from_host(rows, rates, limits)
    assert [figure.value for figure in found] == [60.0, 75.0, 25.0]
    assert found[1].goal == GOAL_FROM_HOST and found[1].is_reached is False
    assert _figures_from_host(rows, {}, {}) == []

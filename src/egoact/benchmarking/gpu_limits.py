"""What a GPU could do at most: copies alone, a network on frames that lie there, matrix products alone.

Works on a processor, too, where it says little. Tasks are for `take_turns`: they give how many items they did.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from egoact.benchmarking.measuring import take_turns
from egoact.benchmarking.results import Figure
from egoact.benchmarking.synthetic_store import NUM_FRAMES, WIDTH
from egoact.core.epic import facts as epic
from egoact.engines.frame_model import frame_model
from egoact.models.backbones.registry import Backbone

Task = Callable[[], float]
KINDS = {"bf16": torch.bfloat16, "f16": torch.float16}


def on_gpu(device: str) -> bool:
    """Whether torch computes on a GPU here."""
    return device != "cpu" and torch.cuda.is_available()


def finish(device: str) -> None:
    """Wait until a device has done all."""
    if on_gpu(device):
        torch.cuda.synchronize()


def copy_tasks(frames: np.ndarray, device: str) -> dict[str, Task]:
    """Frames to a GPU, from memory that it reads by itself and from other memory; of a processor nothing."""
    if not on_gpu(device):
        return {}
    host = torch.from_numpy(frames)
    there = torch.empty_like(host, device=device)

    def copy(source: Tensor) -> float:
        there.copy_(source, non_blocking=True)
        finish(device)
        return float(len(source))

    return {"copies, pinned": partial(copy, host.pin_memory()), "copies, pageable": partial(copy, host)}


def network_task(backbone: Backbone, frames: np.ndarray, *, precision: str, device: str, is_compiled: bool) -> Task:
    """The network alone, on frames that lie on the device; takes the backbone's module there."""
    model = frame_model(backbone).to(device).to(memory_format=torch.channels_last)
    batch, kind = torch.from_numpy(frames).to(device), KINDS.get(precision)
    compiled = torch.compile(model, dynamic=False) if is_compiled else model

    def run() -> float:
        with torch.inference_mode(), torch.autocast(torch.device(device).type, kind, enabled=kind is not None):
            compiled(batch)
        finish(device)
        return float(len(batch))

    return run


def classifier_task(*, num_clips: int, width: int, device: str) -> Task:
    """Train a linear classifier of verbs on random clips that lie on the device: little more than matrix products."""
    clips = torch.randn(num_clips, width, device=device).half()
    labels = torch.randint(epic.NUM_VERBS, (num_clips,), device=device)
    model = nn.Linear(width, epic.NUM_VERBS).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def epoch() -> float:
        for chosen in torch.randperm(num_clips, device=device).split(512):
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                loss = nn.functional.cross_entropy(model(clips[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        finish(device)
        return float(num_clips)

    return epoch


def matrix_figures(device: str, rates: Mapping[str, float], *, num_clips: int) -> list[Figure]:
    """How near trainings of heads on a GPU, clips/s, come to matrix products alone; on a processor nothing."""
    if not on_gpu(device):
        return []
    task = classifier_task(num_clips=min(num_clips, 16_384), width=NUM_FRAMES * WIDTH, device="cuda")
    limit = take_turns({"matrix products": task}, seconds=2)["matrix products"]
    shares = [Figure(f"{head}, against matrix products alone", 100 * rate / limit, "%") for head, rate in rates.items()]
    return [Figure("matrix products alone, batches of 512", limit, "clips/s"), *shares]

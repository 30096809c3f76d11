"""Runs on the Hugging Face hub: config.json, safetensors or graphs, and a README.md as their model card; no pickles.

Imports `core`, `models`, `runs` and `training`. Offers `push` and `pull`.
"""

from egoact.hub.pulling import pull
from egoact.hub.pushing import push

__all__ = ["pull", "push"]

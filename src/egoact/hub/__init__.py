"""Runs on the Hugging Face hub: config.json, safetensors or graphs, and a README.md as their model card; no pickles.

Imports `core`, `models`, `runs` and `training`. Offers `push` and `pull`.
"""

from egoact.hub.transfer import pull, push

__all__ = ["pull", "push"]

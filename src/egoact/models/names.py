"""Names of parts of a network and its file; without the networks, so that a configuration is read without torch."""

from typing import Literal

HEADS = (
    "average",
    "max",
    "consensus",
    "lstm",
    "convnet1d",
    "convlstm",
    "difference",
    "statistics",
    "gru",
    "tcn",
    "relation",
    "attention",
    "transformer",
    "probe",
    "lsta",
    "flow_attention",
)
"""Temporal heads."""
FIXED_HEADS = ("average", "max", "difference", "statistics")
"""Those without parameters: classifiers on them can be fitted in closed form."""
Fusion = Literal["early", "late", "sum", "max", "conv"]
"""How the features of several stores become one; see `fusion`."""
ACTION = "action"
"""A third classifier, of verb-noun pairs; see `classifier.JointActions`."""
LINEAR_SEGMENTERS = ("linear", "causal")
"""Segmenters that are fitted in closed form, and answer without torch."""
DETECTOR = "detector"
"""Among segmenters."""
BACKBONE_FILE = "backbone.safetensors"
"""In a features folder or a run that carries its own; see `backbones.own_files`."""

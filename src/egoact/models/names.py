"""Names of parts of a network and its file; without the networks, so that a configuration is read without torch."""

from typing import Literal

HEADS = (  # over time
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
FIXED_HEADS = ("average", "max", "difference", "statistics")  # without parameters, so that classifiers can be fitted
Fusion = Literal["early", "late", "sum", "max", "conv"]  # how features of several stores become one
ACTION = "action"  # a third classifier, of verb-noun pairs; see `classifier.JointActions`
LINEAR_SEGMENTERS = ("linear", "causal")  # fitted in closed form, and answer without torch
DETECTOR = "detector"  # among segmenters
BACKBONE_FILE = "backbone.safetensors"  # in a folder that carries its own; see `backbones.own_files`

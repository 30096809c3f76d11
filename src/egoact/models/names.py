"""What configurations call parts of a network; without the networks, so that a configuration is read without torch."""

from typing import Literal

Fusion = Literal["early", "late", "sum", "max", "conv"]
"""How the features of several stores become one; see `fusion`."""
ACTION = "action"
"""A third classifier, of verb-noun pairs; see `classifier.JointActions`."""
DETECTOR = "detector"
"""Among segmenters."""

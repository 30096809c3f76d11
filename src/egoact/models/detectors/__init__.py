"""Detectors: networks that propose where actions begin and end, beside segmenters, which score every step.

Imports `core`, `torch` and `models.segmenters`. Offers `TRAINABLE` (the names of all that finds actions in recordings),
`Detector` and its `Level`, `DetectorModel`, and `build_detector`.
"""

from egoact.models.detectors.detector import Detector, Level
from egoact.models.detectors.model import DetectorModel, build_detector
from egoact.models.names import DETECTOR
from egoact.models.segmenters import SEGMENTERS

TRAINABLE = (*SEGMENTERS, DETECTOR)

__all__ = ["TRAINABLE", "Detector", "DetectorModel", "Level", "build_detector"]

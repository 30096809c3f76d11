"""Detectors: networks that propose where actions begin and end, beside segmenters, which score every step.

Imports `core`, `torch` and `models.segmenters`. Offers `DETECTOR` (its name), `Detector` and its `Level`,
`DetectorModel`, and `build_detector`.
"""

from egoact.models.detectors.detector import Detector, Level
from egoact.models.detectors.model import DETECTOR, DetectorModel, build_detector

__all__ = ["DETECTOR", "Detector", "DetectorModel", "Level", "build_detector"]

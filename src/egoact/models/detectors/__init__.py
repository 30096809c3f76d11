"""Detectors: networks that propose where actions begin and end, beside segmenters, which score every step.

Imports `core`, `torch` and `models.segmenters`. Offers `Detector` and its `Level`,
`DetectorModel`, and `build_detector`.
"""

from egoact.models.detectors.detector import Detector, Level
from egoact.models.detectors.model import DetectorModel, build_detector

__all__ = ["Detector", "DetectorModel", "Level", "build_detector"]

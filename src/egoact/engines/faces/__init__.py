"""Faces in pictures, by MediaPipe's full-range face detector on OpenVINO, whose network is read from its wheel.

Imports `core.errors` and `engines.hands`, whose decoding it shares. Offers `FaceDetector` and `Face`.
"""

from egoact.engines.faces.detector import Face, FaceDetector

__all__ = ["Face", "FaceDetector"]

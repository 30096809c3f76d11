"""Where hands are in pictures: MediaPipe's palm detector, run by OpenVINO.

Imports `core` and `engines`. Offers `HandDetector`. Its network is a file of somebody else's wheel, which is read and
never imported; what its numbers mean is written anew here, and proven against MediaPipe itself.
"""

from egoact.engines.hands.detector import HandDetector

__all__ = ["HandDetector"]

"""Where hands are in pictures: MediaPipe's palm detector, run by OpenVINO.

Imports `core`, and `engines` for the way to OpenVINO. Offers `HandDetector`. Its network is a file of somebody else's
wheel, which is read and never imported; what the network's numbers mean is written anew here, from its published
definition, and proven against MediaPipe itself (`tests/engines/test_hands.py`).
"""

from egoact.engines.hands.detector import HandDetector

__all__ = ["HandDetector"]

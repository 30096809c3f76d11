"""Detection: where actions may be (proposals), and the answers to the detection challenge.

Imports `core.timelines` and `core.metrics`. Offers `proposals` and `detections`.
"""

"""Ways to run a frozen backbone fast: torch, ONNX Runtime, OpenVINO behind one call."""

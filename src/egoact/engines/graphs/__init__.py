"""Graphs of other runtimes, made from torch: ONNX, OpenVINO, LiteRT, ExecuTorch, and their lower precisions.

Imports `engines.interface` and `frame_model`. Offers a module a runtime; running them is for engines and runs.
"""

"""Segments, labels, sampling, metrics and errors: numpy and pandas only, no torch, no video."""

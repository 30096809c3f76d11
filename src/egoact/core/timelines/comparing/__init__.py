"""Timelines of two sides: what differs, and what of it is more than chance.

Imports `core.timelines` and `core.metrics`. Offers `compare_timelines` in `comparison`, and models that found
actions in the same recordings in `model_comparison`.
"""

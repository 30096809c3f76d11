"""Answers against labels: segments by the official protocol, timelines, models side by side, label statistics.

Imports `core` and `runs`. Offers `SegmentEvaluation`, `evaluate_timeline_files`, `read_model` and `count_labels`.
"""

"""Answers against labels: segments by the official protocol, timelines, models side by side, statistics, baselines.

Imports `core` and `runs`. Offers `SegmentEvaluation`, `evaluate_timeline_files`, `read_model`, `count_labels`,
`anticipation_baselines` and `detection_baselines`.
"""

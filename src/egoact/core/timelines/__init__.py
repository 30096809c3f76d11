"""What happens in a recording, and when: timelines, their files and metrics, and the decoder that finds them.

Imports `core.annotations`, `core.files`, `core.metrics`. Offers `Timeline`, `Prediction`, `OnlinePrediction`,
`TimelineRules`, `read_timelines`, `evaluate_timelines`, `compute_statistics` and `compare_timelines`. Arrays in,
segments out; knows no model.
"""

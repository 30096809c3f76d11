"""Whole recordings: what a run has to learn for them, how it finds actions in them, and the files that come of it.

Imports `training`, `extraction` and `runs`. Offers `SegmenterTraining`, `RuleSelection`, `predict_recording` and
`write_prediction`; of timelines that are there `find_timelines`, `write_statistics` and `compare_timeline_files`.
"""

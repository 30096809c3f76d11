"""What everything is made of: annotations, sampling, metrics, timelines, and the facts of EPIC-KITCHENS.

Imports numpy and pandas at most: no torch, no video. `errors`, `files`, `machine`, `progress` and `stopping` are for
every room; `sampling` says when to look; the rest lies in `annotations`, `epic`, `metrics` and `timelines`.
"""

"""The zips of EPIC-KITCHENS' challenges: written, and anybody's checked.

Imports `core.metrics`. Offers `submission` (recognition, anticipation) and `detection_submission`.
"""

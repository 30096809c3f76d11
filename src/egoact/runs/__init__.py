"""A trained run, loaded: its model, its background model, its rules for timelines, and its backbone on an engine.

Imports `models`, `engines` and `store`. Offers `load_run`, which is how everything else gets a run, `Recognizer`,
`RecognizerConfig`, `TrainedSegmenter`, and what an export consists of.
"""

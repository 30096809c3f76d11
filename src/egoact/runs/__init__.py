"""A trained run, loaded: its model, and its backbone on an engine.

Imports `models`, `engines` and `store`. Offers `load_run`, which is how everything else gets a run, `Recognizer`,
`RecognizerConfig`, `TrainedSegmenter`, and what an export consists of.
"""

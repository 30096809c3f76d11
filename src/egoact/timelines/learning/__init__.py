"""What a segmenter learns: from labels and features to a run, its decoding chosen on recordings left out.

Imports `training`, `runs`, `store` and `timelines.segmenter`. Offers `SegmenterTraining`, `RuleSelection` and
`learning_curve`.
"""

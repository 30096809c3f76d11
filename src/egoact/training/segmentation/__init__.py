"""Training on whole recordings: labels of every step, the loop, and what is chosen inside the training recordings.

Imports `models`, `store` and `runs`. Offers `read_recordings`, `SegmenterRecipe`, `fit_segmenter` and
`choose_decoding`.
"""

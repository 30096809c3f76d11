"""Training on whole recordings: labels of every step, what a linear segmenter learns from, and the loop of networks.

Imports `models` and `store`. Offers `read_recordings`, `design_linear`, `SegmenterRecipe` and `fit_segmenter`.
"""

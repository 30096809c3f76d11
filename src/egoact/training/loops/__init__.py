"""The loops that fit a model: our own in one process, many seeds side by side, and Lightning's in several.

Imports `training`'s recipes, losses and history, `models` and `store`. Offers `Loop` in `loop`, for one process, and
`fit`, for several.
"""

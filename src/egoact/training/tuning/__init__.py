"""A search for hyperparameters that can be killed at any moment: the space, the study on disk, the search.

Imports `training`. Offers `Search`, `Plan` and `SPACE`.
"""

"""From features and labels to a run: data, losses for the long tail, recipes, loops, and the search.

Imports `models`, `store` and `runs`. Offers `Training`, `Recipe`, `Machine`, `RunFolder`; `tuning` searches
hyperparameters. Knows nothing of videos, timelines or live sources.
"""

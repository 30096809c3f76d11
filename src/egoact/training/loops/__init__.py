"""The loop that fits a model: many seeds side by side, in one process or in several.

Imports `training`'s recipes, losses and history, `models` and `store`. Offers `Loop` in `loop`.
"""

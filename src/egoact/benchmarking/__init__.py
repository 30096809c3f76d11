"""How fast this machine is at what egoact does: one module a measurement, each with a function `measure`.

Imports `extraction`, `training`'s recipes, `kitchen` and what is below. Offers `Workload` and the measurements by name.
"""

"""Measurements of this machine, and of EPIC-KITCHENS' tasks and the report.

They call `benchmarking`, `reproduction` and `evaluation`; `reproduce`, and `bench` for what others measure, run
commands by name. Offers a module a command.
"""

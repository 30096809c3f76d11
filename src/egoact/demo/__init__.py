"""The whole story on the built-in kitchen, step by step.

Imports `kitchen` and `runs`; commands are handed in, to be run by name. Offers `Demo`.
"""

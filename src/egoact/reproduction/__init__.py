"""The report's figures and tables, measured anew, step by step.

Imports `runs`, `extraction` and what is below; commands are handed in, to be run by name. Offers `STEPS`,
`Reproduction` and `Memory`.
"""

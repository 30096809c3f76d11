"""Data sets of the field, read from the annotation files that they publish: a recipe each, all of them in one dict.

Imports `core.annotations` and the errors; `h5py` (ActionSense) only where needed. Offers `Dataset` (what is read),
`RECIPES` (the dict) and `write_labels` (the CSVs that all commands take).
"""

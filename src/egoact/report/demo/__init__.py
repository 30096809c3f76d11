"""The page of `egoact demo`.

Imports `report.evaluation`'s pictures.
"""

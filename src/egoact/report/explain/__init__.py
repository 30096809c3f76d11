"""The pages of `egoact explain`: a clip, and filters of a backbone.

Imports `report.page` and `report.figures`.
"""

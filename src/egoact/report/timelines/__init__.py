"""The pages of timelines: of one recording, and of two sides compared.

Imports `report.page` and `report.figures`.
"""

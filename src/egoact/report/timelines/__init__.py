"""The pages of timelines: of one recording, of two sides compared, and of models side by side.

Imports `report.page` and `report.colours`.
"""

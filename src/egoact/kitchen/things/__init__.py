"""Solids of groceries, tableware and ornaments, and the sprites that they become.

Imports `kitchen.drawing`.
"""

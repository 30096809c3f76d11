"""Kitchens: walls, cabinets, places, water and light, the styles of participants, and the things that stand there.

Imports `kitchen.drawing`, `kitchen.things` and `kitchen.cook`.
"""

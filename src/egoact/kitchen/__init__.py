"""The built-in synthetic kitchen: first-person videos with labels, rendered offline."""

from egoact.kitchen.make import MIN_VIDEOS, MadeKitchen, make_kitchen

__all__ = ["MIN_VIDEOS", "MadeKitchen", "make_kitchen"]

"""Recordings that can be shown to others: faces and marked places blurred, marked stretches black and silent.

Imports `core`, `media` and `engines`. Offers `find_faces`, `Masks` with their file, and `write_masked`.
"""

"""The hands of whoever wears the camera: from palms in pictures to tracks, and from tracks to measures of use.

Imports `core.timelines`. Offers `tracking` and `use`. Knows nothing about pictures.
"""

"""Optical flow computed: methods between two pictures, and the writer of EPIC-KITCHENS' layout.

Imports `core`, `media` and `media.stills`. Offers `load_flow_method` and `FlowWriter`.
"""

"""Optical flow computed: methods between two pictures, short descriptors of it, the writer of EPIC-KITCHENS' layout.

Imports `core`, `media` and `media.stills`. Offers `load_flow_method`, `MotionDescriptor` and `FlowWriter`.
"""

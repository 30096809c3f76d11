"""Frames that were extracted before: JPEG or PNG by number, from a folder or out of a tar; optical flow kept so, too.

Imports `core`. Offers `FrameFolder`, `TarFrames`, `read_still_frames`, `resize_area`, and the readers of stored flow.
"""

"""Video files through FFmpeg (PyAV): frames at given times by their timestamps, from as few packets as possible.

Imports `core`. Offers `read_video_frames`, `VideoFile`, `Decoder` and `write_video`.
"""

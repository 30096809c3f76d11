"""The sound of recordings, and speech mixed over it: read, measured and written in blocks, through FFmpeg (PyAV).

Imports `core` and `media.video`. Offers `find_sound`, `read_sound` and `measure_loudness` in `reader`, `Mixer` in
`mixing`, `Voice`, which has a program of the system speak, and `write_sound` in `writer`.
"""

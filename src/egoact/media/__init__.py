"""Where pixels and sound come from: video files, extracted frames in folders and tars, and optical flow.

Imports `core`. Offers `MediaRoot`, `MediaSource`, `read_frames` and `read_clip` in `sources`, whole recordings in
`recording`; `video`, `stills`, `flow` and `sound` do the reading and writing.
"""

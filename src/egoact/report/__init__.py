"""Pages and pictures, drawn from what commands left on disk.

Imports `core`, and `media` for film strips. Offers a function a command, which takes its settings and reads `out`. It
raises `ArtifactError` where a file is missing or damaged, and `MediaError` where that is a recording.
"""

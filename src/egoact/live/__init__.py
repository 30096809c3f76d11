"""What happens now: cameras, files in real time and streams, predictions frame by frame, a terminal and a window.

Imports `media` and `runs`. Offers `find_source`, `open_run_stream`, `Stream` and `LiveLoop`.
"""

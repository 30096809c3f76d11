"""Video encoders: recordings to windows of pictures, and the engine that computes them.

Imports `extraction`'s decoding and choice of engines. Offers `choose_video_engine` and `window_events`.
"""

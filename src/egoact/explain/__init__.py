"""Looking inside: what kernels of a backbone respond to, and where and when a run looks in a clip.

Imports `media`, `models` and `runs`. Offers `explain_clip` and `explain_filters`.
"""

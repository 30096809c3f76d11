"""A run as graph files that answer without torch, proven on real clips.

Imports `extraction`, `runs` and `engines`. Offers `export_recognizer`, `export_segmenter`
and, of a run in browsers, `web.write_page`.
"""

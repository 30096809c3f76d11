"""Networks, as plain torch: frozen backbones, temporal heads, classifiers on top, fusion of several features.

Imports `core`. Offers `load_backbone`, `HEADS`, `build_head` and `ActionClassifier`. Knows neither stored features nor
runs.
"""

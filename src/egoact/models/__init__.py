"""Networks, as plain torch: frozen backbones, temporal heads, classifiers on top, fusion, segmenters.

Imports `core`. Offers `load_backbone`, `HEADS`, `build_head`, `ActionClassifier` and `SEGMENTERS`. Knows neither
stored features nor runs.
"""

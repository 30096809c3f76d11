"""Frozen image backbones: a name gives weights together with the preprocessing they were trained with.

Imports `core`. Offers `load_backbone` and `Backbone` in `registry`; `BackboneSpec` in `spec` travels with features and
runs.
"""

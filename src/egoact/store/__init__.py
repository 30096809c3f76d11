"""Features on disk: the feature store, its reader and writer, and several stores as one.

Imports `core` and the spec of a backbone. Offers `FeatureStore`, `StoreWriter`, `open_features` and `find_streams`.
Knows neither videos nor how features are computed.
"""

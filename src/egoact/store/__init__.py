"""Features on disk: the feature store, its reader and writer, several stores as one, batches for training.

Imports `core` and the spec of a backbone. Offers `FeatureStore`, `StoreWriter`, `open_features`, `find_streams` and
`ClipBatches`. Knows neither videos nor how features are computed.
"""

"""The files of a feature store: manifest, index, shards and what failed, each read and written by its module.

Imports `core` and the spec of a backbone. Offers `StoreSpec`, `StoreIndex` and `StoredDtype`.
"""

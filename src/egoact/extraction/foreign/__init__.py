"""Features that others made, from the layout of MS-TCN's data sets into a store.

Imports `store` and `core.annotations`. Offers `importing` and `foreign_folder`.
"""

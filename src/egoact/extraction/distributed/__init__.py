"""An extraction on many machines, by Ray: recordings are given to workers, which put shards into one folder.

Imports `extraction` and `store`. Offers `extract_on_cluster` in `cluster`.
"""

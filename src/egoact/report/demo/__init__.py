"""The page of `egoact demo`."""

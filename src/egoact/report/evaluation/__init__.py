"""The pages of `egoact evaluate`: segments, confusions, curves, timelines."""

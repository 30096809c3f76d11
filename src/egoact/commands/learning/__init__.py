"""Features and labels to runs, and what makes runs better or smaller.

Most call `training`, `timelines` and `adaptation`, with features from `store` and runs from `runs`. Offers a module a
command; the flags of `train`, and what `--folds` does, are in files of their own.
"""

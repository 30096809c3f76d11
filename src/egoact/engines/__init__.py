"""Ways to run a frozen backbone fast, behind one call: uint8 frames in, float32 features out.

Imports `models` and `media.flow`. Offers `load_engine`, `rank_engines` and `tune_batch` in `loading`, `check_parity` in
`parity`, and in `streams` the `StreamEngine`, several kinds of features of the same frames; a new engine is a class
with the shape of `interface.Engine` and one line in `LOADERS`. `loading` needs torch; exports are run without it.
"""

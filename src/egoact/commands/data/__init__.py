"""Recordings, labels and features: made, converted, imported, checked.

Most call `extraction`, `store` and `media`, and what `core` knows of annotations; `blur` and `kitchen` the rooms
`privacy` and `kitchen`. Offers a module a command; the flags of `extract` are in a file of their own.
"""

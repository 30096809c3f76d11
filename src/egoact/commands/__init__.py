"""One module a command: its settings, whose fields are the flags and whose docstrings are the help, and one function.

A command unpacks its settings and calls the rooms; nothing below knows settings. Imports everything but `report`, which
reads from disk what a command wrote.
"""

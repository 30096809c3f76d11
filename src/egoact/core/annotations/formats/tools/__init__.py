"""What is read and written: one file a program, or a few that are alike; a format is three functions.

Imports the form, `exchange` and `syntax/`, and `core.epic`; `pympi-ling` (ELAN) only where it is needed.
"""

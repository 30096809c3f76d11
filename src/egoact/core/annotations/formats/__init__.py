"""Annotations as other tools keep them (`tools/`), all formats in one dict, read to and written from one form.

Imports `core.annotations`, `core.epic` and the errors; `pympi-ling` (ELAN) only where it is needed. Offers `Annotation`
and `Annotations` (the form), `FORMATS` (the dict), and for whole files `read_annotations`, `encode_annotations` and
`write_annotations` of `conversion.py`; a web application calls the same three.
"""

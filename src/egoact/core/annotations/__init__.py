"""What people wrote about recordings: the CSV of labelled segments, class files, vocabularies and folds.

Imports only the errors, `core.epic` and `core.files`. `formats/` reads and writes those of other tools. Offers
`read_segments`, `SegmentTable`, `Vocabulary`, `build_vocabulary`, `read_vocabulary` and `split_into_folds`.
"""

"""What people wrote about recordings: the CSV of labelled segments, class files, vocabularies and folds.

Imports only the errors and `core.epic`. Offers `read_segments`, `SegmentTable`, `Vocabulary`, `build_vocabulary`,
`read_vocabulary` and `split_into_folds`.
"""

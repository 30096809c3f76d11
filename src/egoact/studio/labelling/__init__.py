"""Labels of all annotators: edits, the CSV files that follow them, the words that may be used, other tools' files."""

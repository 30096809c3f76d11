"""What formats are made of: JSON and XML that somebody handed us, tables, tiers, named values, clocks.

Imports `annotation`, `exchange` and `words` of the formats, and the errors. Knows no format.
"""

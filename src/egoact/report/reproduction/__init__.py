"""The page of `egoact reproduce`: one module a group of the report's figures and tables."""

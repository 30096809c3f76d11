"""What is done with a run: ask it, judge it, look into it, take it elsewhere.

Most load it by `runs.loading`, and call `timelines`, `live`, `evaluation`, `explain`, `export` or `hub`. Offers a
module a command.
"""

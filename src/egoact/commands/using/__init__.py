"""What is done with a run: ask it, judge it, look into it, take it elsewhere."""

"""Features and labels to runs, and what makes runs better or smaller."""

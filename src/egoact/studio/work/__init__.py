"""Commands as processes, one heavy one at a time, and what they made: runs, proposals, results, dashboards."""

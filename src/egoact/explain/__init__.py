"""Looking inside: what kernels of a backbone respond to, and where and when a run looks in a clip."""

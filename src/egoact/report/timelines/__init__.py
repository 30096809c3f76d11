"""The pages of timelines: of one recording, and of two sides compared."""

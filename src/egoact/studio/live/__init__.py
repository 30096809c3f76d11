"""Answers about the pictures of a browser's camera, which can be kept as a recording with its timeline."""

"""Answers about the pictures of a camera, the browser's or the server's, kept as a recording with its timeline."""

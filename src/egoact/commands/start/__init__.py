"""The whole of it: the built-in kitchen's story on the terminal, or a project in the browser."""

"""One module a command: its settings dataclass and one function."""

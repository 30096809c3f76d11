"""The built-in synthetic kitchen: first-person videos with labels, rendered offline."""

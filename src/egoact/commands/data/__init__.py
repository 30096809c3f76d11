"""Recordings, labels and features: made, converted, imported, checked."""

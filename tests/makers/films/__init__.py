"""Recordings that tests show to readers: made films, sound, faces and hands."""

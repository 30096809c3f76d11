"""Backbones, temporal heads, losses and the recognizer; knows nothing about files of users data."""

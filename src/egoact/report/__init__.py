"""Plots and self-contained HTML pages from what the stages wrote on disk."""

"""Measurements of this machine, and of EPIC-KITCHENS' tasks and the report."""

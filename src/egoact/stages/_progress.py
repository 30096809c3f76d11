"""Progress of stages: that of the core, under the name that they know it by."""

from egoact.core.progress import Progress, format_seconds

__all__ = ["Progress", "format_seconds"]

"""The pages of `egoact explain`. Reads files only."""

from typing import Any

from egoact.report.explain_clip import write_clip_page
from egoact.report.explain_filters import write_filter_page


def write_report(settings: Any) -> None:
    """Write the page that belongs to what was explained.

    Args:
        settings: Of `egoact explain filters` or `egoact explain clip`.
    """
    page = write_clip_page(settings.out) if hasattr(settings, "run") else write_filter_page(settings.out)
    print(f"open {page.resolve()}")

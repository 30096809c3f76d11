"""`egoact explain filters` and `egoact explain clip`: one command, two questions."""

from typing import Annotated

import tyro

from egoact.explain.clip import ClipSettings, explain_clip
from egoact.explain.filters import FilterSettings, explain_filters

ExplainSettings = (
    Annotated[FilterSettings, tyro.conf.subcommand("filters", description=FilterSettings.__doc__)]
    | Annotated[ClipSettings, tyro.conf.subcommand("clip", description=ClipSettings.__doc__)]
)


def explain(settings: FilterSettings | ClipSettings) -> int:
    """Do what was asked; gives how many inputs failed."""
    return explain_filters(settings) if isinstance(settings, FilterSettings) else explain_clip(settings)

"""Section 2.2.1 of the report and its roads for investigation: the systems that `egoact systems` was asked to run."""

from pathlib import Path
from typing import Any

from egoact.core.files import read_json
from egoact.report.page import written_by
from egoact.reproduction.systems import SYSTEMS

FOLDER = "systems"
_SECTIONS = {
    "Section 2.2.1: two-stream architectures": ("tsn-rgb", "tsn-two-stream", "convlstm-two-stream", "lsta"),
    "Roads for investigation: optical flow in an attention mechanism": ("flow-attention",),
}


def list_systems(out: Path) -> list[dict[str, Any]]:
    """For each section the systems that belong to it: (name, what it is, top-1 of its validation clips).

    Args:
        out: Folder of a reproduction; runs are in its sub-folder `FOLDER`.

    Raises:
        ArtifactError: A `metrics.json` that is damaged.
    """
    return [
        {"title": title, "rows": [(name, SYSTEMS[name].title, _top1(out / FOLDER / name)) for name in names]}
        for title, names in _SECTIONS.items()
    ]


def _top1(run: Path) -> str:
    path = run / "metrics.json"
    if not path.is_file():
        return "not run"
    values = read_json(path)
    with written_by("systems", path):
        return ", ".join(
            f"{name} {values[name]['top1']:.1f} %" for name in ("verb", "noun", "action") if name in values
        )

"""The run that comes with egoact: an export that finds actions in recordings, trained on the built-in kitchen.

`benchmarks/packaged_run.py` makes `kitchen_run/`, whose README.md says on what it was trained and how good it is.
"""

import sys
from pathlib import Path

from egoact.core.files import read_json
from egoact.runs.exported import LABELS_NAME

PACKAGED_RUN = Path(__file__).parent / "kitchen_run"


def run_or_packaged(run: Path | None) -> Path:
    """The run that was asked for; or else the packaged one, and a line on standard error that says what it knows."""
    if run is not None:
        return run
    print(describe(PACKAGED_RUN), file=sys.stderr)
    return PACKAGED_RUN


def describe(run: Path) -> str:
    """What it was trained on, what it knows, and where to read more."""
    labels = read_json(run / LABELS_NAME)
    known = " and ".join(f"{len(names)} {target}s ({', '.join(names)})" for target, names in labels.items())
    return (
        f"without --run, the model that comes with egoact answers, for a first look: it was trained on rendered "
        f"kitchens and knows {known}; see {run / 'README.md'}"
    )

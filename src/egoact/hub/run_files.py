"""Which files a run is made of, by their names: nothing else is pushed, and nothing else is pulled.

    run       config.json, model.safetensors, backbone.safetensors (of a backbone of its own)
    export    config.json, export.json, labels.json and the graphs that export.json lists
    either    README.md (the model card), trained_on.json, metrics.json

Names are those of the top folder. Knows nothing about the hub.
"""

from collections.abc import Collection
from pathlib import Path

from egoact.core.bounds import MOST_JSON_BYTES
from egoact.models.names import BACKBONE_FILE
from egoact.runs.exported import EXPORT_NAME, LABELS_NAME
from egoact.runs.graph_files import GRAPH_NAMES, SUFFIXES
from egoact.runs.provenance import PROVENANCE_NAME
from egoact.runs.recognizer import CONFIG_NAME, WEIGHTS_NAME
from egoact.training.run_folder import METRICS_NAME

CARD_NAME = "README.md"
_MOST_CARD_BYTES = 2**20
_MOST_WEIGHT_BYTES = 16 * 2**30
_JSON = (CONFIG_NAME, PROVENANCE_NAME, METRICS_NAME, EXPORT_NAME, LABELS_NAME)
_WEIGHTS = (
    WEIGHTS_NAME,
    BACKBONE_FILE,
    *(f"{name}{suffix}" for name in GRAPH_NAMES for suffixes in SUFFIXES.values() for suffix in suffixes),
)

MOST_BYTES: dict[str, int] = {
    CARD_NAME: _MOST_CARD_BYTES,
    **dict.fromkeys(_JSON, MOST_JSON_BYTES),
    **dict.fromkeys(_WEIGHTS, _MOST_WEIGHT_BYTES),
}
"""Name of a file of a run -> how large it can be."""


def list_files(run: Path) -> list[Path]:
    """The files of a run, in the order of `MOST_BYTES`; what else lies in its folder stays out."""
    return [run / name for name in MOST_BYTES if (run / name).is_file()]


def make_a_run(names: Collection[str]) -> bool:
    """Whether files of these names can be a run, or an export of one."""
    return CONFIG_NAME in names and (WEIGHTS_NAME in names or EXPORT_NAME in names)

"""The folder of an export: graphs, and what has to be known to use them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egoact.core.files import LOCK_NAME, make_folder, write_atomically, write_json
from egoact.runs.exported import EXPORT_NAME, LABELS_NAME, ExportManifest
from egoact.runs.loading import Run
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import CONFIG_NAME
from egoact.runs.segmenter import TrainedSegmenter


def write_export(
    out: Path, run: Run, graphs: Mapping[str, bytes], *, format: str, precision: str, parity: Mapping[str, Any]
) -> None:
    """Write everything, export.json last: without it a folder is no export.

    Args:
        out: The folder; it is made if it does not exist.
        run: What is exported.
        graphs: File name -> content.
        format: Key of `egoact.export.graphs.BUILDERS`.
        precision: Of the backbone.
        parity: What the comparison with torch on real clips gave.
    """
    config = run.answers.config
    make_folder(out)
    (out / EXPORT_NAME).unlink(missing_ok=True)
    for name, content in graphs.items():
        write_atomically(out / name, content)
    write_json(out / CONFIG_NAME, config.to_dict())
    if (provenance := Provenance.read(run.path)) is not None:
        provenance.write(out)
    write_json(out / LABELS_NAME, {target: list(v.names) for target, v in config.vocabularies.items()})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in graphs.items()}
    reach = run.answers.model.reach if isinstance(run.answers, TrainedSegmenter) else None
    manifest = ExportManifest(format, precision, tuple(config.vocabularies), digests, parity, reach)
    write_json(out / EXPORT_NAME, manifest.to_dict())


def copy_export(made: Path, out: Path) -> None:
    """Put an export into another folder, export.json last."""
    make_folder(out)
    (out / EXPORT_NAME).unlink(missing_ok=True)
    for path in sorted(made.iterdir(), key=lambda path: path.name == EXPORT_NAME):
        if path.name != LOCK_NAME:
            write_atomically(out / path.name, path.read_bytes())

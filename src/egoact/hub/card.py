"""The model card of a run: what it knows, on what it was trained, how it is used; with YAML in front for the hub."""

import json
from collections.abc import Iterator

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.runs.exported import is_export, read_export
from egoact.runs.loading import Run
from egoact.runs.provenance import Provenance
from egoact.runs.segmenter import SegmenterConfig
from egoact.training.run_folder import METRICS_NAME

TAGS = ("egoact", "egocentric-vision", "action-recognition")
_FIGURES = {"top1": "top-1 accuracy", "frame_accuracy": "accuracy of frames", "edit": "edit score"}


def write_card(run: Run, name: str, *, license: str | None) -> str:
    """A README.md for a repository of this name; `license` as the hub names licences, None: not said."""
    front = {"library_name": "egoact", "pipeline_tag": "video-classification", "tags": list(TAGS)}
    front |= {} if license is None else {"license": license}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", ""]
    return "\n".join([*lines, f"# {name.rpartition('/')[2]}", "", *_facts(run), "", *_use(run, name)]) + "\n"


def _facts(run: Run) -> Iterator[str]:
    finds = isinstance(run.answers.config, SegmenterConfig)
    what = "Finds the actions of a whole recording" if finds else "Names the action of a clip"
    yield f"{what} that was filmed with a camera someone wears. Made by egoact, model `{run.title}`."
    yield ""
    for target, vocabulary in run.answers.config.vocabularies.items():
        yield f"- {vocabulary.size} {target} classes: {', '.join(vocabulary.names)}"
    yield f"- looks at: {', '.join(f'`{spec.title}` ({spec.stream})' for spec in run.backbones)}"
    if is_export(run.path):
        manifest = read_export(run.path)
        yield f"- graphs of the format {manifest.format}, backbone in {manifest.precision}"
    if (known := Provenance.read(run.path)) is not None:
        count = sum(map(len, known.training.values()))
        yield f"- trained on {count:,} labelled segments of {len(known.training):,} recordings"
    yield from _figures(run)


def _figures(run: Run) -> Iterator[str]:
    """Frame accuracy or top-1 accuracy of each target, as its training measured them."""
    path = run.path / METRICS_NAME
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ArtifactError("damaged or of another version", path=path)
    for target in ("verb", "noun", "action"):
        metrics = found.get(target)
        metrics = metrics if isinstance(metrics, dict) else {}
        said = [f"{word} {metrics[key]:.1f} %" for key, word in _FIGURES.items() if isinstance(metrics.get(key), float)]
        if said:
            yield f"- {target}, on what was held out in training: {', '.join(said)}"


def _use(run: Run, name: str) -> list[str]:
    folder = name.rpartition("/")[2]
    finds = isinstance(run.answers.config, SegmenterConfig)
    use = f"predict VIDEO --run {folder} --out timeline" if finds else f"live --run {folder} --source VIDEO"
    limits = "It names only the classes above, and is most reliable in places like those it was trained in."
    return ["```sh", f"egoact hub pull --name {name} --out {folder}", f"egoact {use}", "```", "", limits]

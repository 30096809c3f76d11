"""`egoact compare` of models that find actions in recordings: what each found in the same ones, side by side."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from egoact.core.annotations.union import read_labels
from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.timelines.comparing.model_comparison import MEASURES, RecordingCounts, compare_timeline_models
from egoact.core.timelines.files import EvaluatedTimelines, holds_timelines
from egoact.core.timelines.metrics import known_targets
from egoact.runs.loading import load_run
from egoact.runs.provenance import Provenance, warn
from egoact.runs.segmenter import CONFIG_NAME, WEIGHTS_NAME, is_segmenter
from egoact.timelines.stored import StoredRecordings

_AGAINST = ("difference", "low", "high", "p", "p_holm")


def read_finder(path: Path, *, segments: Sequence[Path], features: Sequence[Path]) -> EvaluatedTimelines:
    """What `egoact evaluate` wrote of timelines, or a run that is measured now.

    Raises:
        ArtifactError: Damaged, or features that do not fit.
        ValueError: A run without `segments` or `features`.
    """
    if holds_timelines(path) and not is_segmenter(path):  # a run has timelines, too: of its training recordings
        return EvaluatedTimelines.read(path)
    if not segments or not features:
        raise ValueError(f"{path} is a run: give --segments and --features to measure it, or its evaluation folder")
    table = read_labels(segments)
    stored = StoredRecordings.of(load_run(path), list(features))
    found, truth = stored.answer(table)
    provenance = Provenance.read(path)
    notes = () if provenance is None else tuple(warn(provenance.describe(table)))
    return EvaluatedTimelines(path, str(table.path), stored.frames_per_second, found, truth, notes, path)


def compare_finders(
    models: Mapping[str, EvaluatedTimelines], *, against: Literal["first", "best"], num_draws: int, seed: int
) -> dict[str, Any]:
    """Everything that `comparison.json` says of them.

    The first model is the reference, or with `against="best"` the one with the highest sum of all measures.

    Raises:
        ArtifactError: Models of different recordings, labels or frames, or without a target in common.
    """
    first = next(iter(models.values()))
    for model in models.values():
        model.check_comparable(first)
    known = [known_targets(model.predicted, model.truth) for model in models.values()]
    targets = [target for target in known[0] if all(target in of_model for of_model in known)]
    if not targets:
        raise ArtifactError("these models have no target in common: verbs, nouns or both", path=first.path)
    counts = {
        name: {t: RecordingCounts.of(model.predicted, first.truth, t, rate=first.rate) for t in targets}
        for name, model in models.items()
    }
    names = list(models)
    compared = compare_timeline_models(counts, reference=names[0], num_draws=num_draws, seed=seed)

    def quality(name: str) -> float:
        return sum(compared[name][targets[-1]][measure]["value"] for measure in MEASURES)

    reference = names[0] if against == "first" else max(names, key=quality)
    if reference != names[0]:
        compared = compare_timeline_models(counts, reference=reference, num_draws=num_draws, seed=seed)
    return {
        "segments": first.segments,
        "num_segments": sum(map(len, first.truth.values())),
        "num_recordings": len(first.truth),
        "frames_per_second": first.rate,
        "num_draws": num_draws,
        "reference": reference,
        "targets": targets,
        "models": [
            {"name": name, "path": str(model.path), "notes": list(model.notes), **_facts(model.run), **compared[name]}
            for name, model in models.items()
        ],
    }


def table_rows(document: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Of `comparison.csv`: a row for each model, target and measure."""
    yield ("model", "target", "measure", "value", "low", "high", *(f"against_{name}" for name in _AGAINST))
    for model in document["models"]:
        for target in document["targets"]:
            for measure in MEASURES:
                part = model[target][measure]
                other = part.get("against", {})
                values = [*(part.get(key) for key in ("value", "low", "high")), *(other.get(key) for key in _AGAINST)]
                yield (model["name"], target, measure, *("" if v is None else round(v, 4) for v in values))


def _facts(run: Path | None) -> dict[str, Any]:
    """Segmenter and size, where the run is at hand: an evaluation may have been handed on."""
    if run is None or not is_segmenter(run):
        return {"segmenter": None, "num_parameters": None}
    return {"segmenter": read_json(run / CONFIG_NAME)["segmenter"], "num_parameters": _count_numbers(run)}


def _count_numbers(run: Path) -> int | None:
    """All that were learned: those of `linear` are found in closed form, and no optimiser trains them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run / WEIGHTS_NAME, framework="numpy") as weights:
            return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError):  # an export has none
        return None

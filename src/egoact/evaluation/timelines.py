"""When actions were found, against labels, matched by the names of classes: `egoact evaluate` of timelines.

They are read from files (`--timeline`), or were found by a run of `egoact train-timeline` (`--run`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import known_vocabularies
from egoact.core.annotations.union import Paths, read_labels
from egoact.core.bounds import some
from egoact.core.errors import AnnotationError
from egoact.core.files import write_json
from egoact.core.metrics.evaluation_files import METRICS_NAME
from egoact.core.timelines.files import EVALUATED_NAME, class_names, read_timelines, timelines_of, with_class_names
from egoact.core.timelines.metrics import FRAMES_PER_SECOND, evaluate_timelines, known_targets
from egoact.core.timelines.timeline import TIMELINE_TARGETS, Timeline


def evaluate_timeline_files(path: Path, *, segments: Paths, annotations: Path | None, out: Path) -> dict[str, Any]:
    """Write metrics.json, and timelines.json: what was compared.

    `path` is a timeline, or a folder of them; `annotations` is a folder with class files, for their names and words, by
    default the words of the CSVs in `segments`.

    Raises:
        AnnotationError: Timelines or labels that are damaged, or of different videos.
    """
    table = read_labels(segments)
    vocabularies = known_vocabularies(table, annotations)
    truth = timelines_of(table, names={target: class_names(table, v) for target, v in vocabularies.items()})
    found = {video: with_class_names(made, vocabularies) for video, made in read_timelines(path).items()}
    videos = [video for video in truth if video in found]
    if not videos:
        reason = (
            f"its videos ({some(sorted(found))}) are none of those that {table.path} labels ({some(sorted(truth))})"
        )
        raise AnnotationError(reason, path=path)
    predicted, wanted = ({video: side[video] for video in videos} for side in (found, truth))
    origin = {"model": str(path), "segments": str(table.path)}
    return measure_timelines(predicted, wanted, origin=origin, notes=_notes(found, truth), out=out)


def measure_timelines(
    predicted: dict[str, Timeline],
    truth: dict[str, Timeline],
    *,
    origin: Mapping[str, Any],
    notes: Sequence[str],
    out: Path,
    rate: float = FRAMES_PER_SECOND,
) -> dict[str, Any]:
    """Write metrics.json, and timelines.json: what was compared, and what it was made from; gives the metrics.

    `notes` have to be said beside the figures; `origin` and `rate` are those of `write_compared`.
    """
    metrics = evaluate_timelines(predicted, truth, targets=known_targets(predicted, truth), rate=rate)
    metrics |= {"notes": list(notes)} if notes else {}
    write_compared(out, {video: (made, truth[video]) for video, made in predicted.items()}, origin=origin, rate=rate)
    write_json(out / METRICS_NAME, metrics)
    return metrics


def write_compared(
    out: Path,
    pairs: Mapping[str, tuple[Timeline, Timeline]],
    *,
    origin: Mapping[str, Any],
    rate: float = FRAMES_PER_SECOND,
) -> None:
    """Write timelines.json: what was compared, at so many frames a second.

    `pairs` are video_id -> what was found, and what is true; `origin` is what the file says beside the timelines: at
    least `model` and `segments`.
    """
    compared = {v: {"predicted": found.to_dict(), "truth": true.to_dict()} for v, (found, true) in pairs.items()}
    write_json(out / EVALUATED_NAME, {**origin, "frames_per_second": rate, "videos": compared})


def summarize_timelines(metrics: dict[str, Any]) -> str:
    """A line for each target, percentages."""
    lines = []
    for target in (t for t in TIMELINE_TARGETS if t in metrics):
        part, background = metrics[target], metrics["baselines"]["background"][target]
        f1 = ", ".join(f"{overlap}: {value:.1f}" for overlap, value in part["f1"].items())
        lines.append(
            f"{target}: frames {part['frame_accuracy']:.1f} % (all background {background['frame_accuracy']:.1f} %), "
            f"edit {part['edit']:.1f}, F1 at {f1}, mAP {part['map']['mean']:.1f}"
        )
    return "\n".join([*lines, f"{metrics['num_segments']} actions in {metrics['num_videos']} recordings"])


def _notes(found: dict[str, Timeline], truth: dict[str, Timeline]) -> list[str]:
    notes = []
    if more := sorted(found.keys() - truth.keys()):
        notes.append(f"{len(more)} timelines of videos without labels are left out: {some(more)}")
    if missing := sorted(truth.keys() - found.keys()):
        notes.append(f"{len(missing)} labelled videos without a timeline are left out: {some(missing)}")
    return notes

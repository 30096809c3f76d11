"""When actions were found, against labels, matched by the names of classes: `egoact evaluate` of timelines.

They are read from files (`--timeline`), or were found by a run of `egoact train-timeline` (`--run`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.annotations.union import Paths, read_labels
from egoact.core.errors import AnnotationError
from egoact.core.files import write_json
from egoact.core.metrics.evaluation_files import METRICS_NAME
from egoact.core.timelines.evaluated import TIMELINES_NAME
from egoact.core.timelines.files import read_timelines, timelines_of, with_class_names
from egoact.core.timelines.metrics import FRAMES_PER_SECOND, evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineTarget


def evaluate_timeline_files(path: Path, *, segments: Paths, annotations: Path | None, out: Path) -> dict[str, Any]:
    """Write metrics.json, and timelines.json: what was compared.

    Args:
        path: A timeline, or a folder of them.
        segments: Segments CSV with the true actions, or several.
        annotations: Folder with class files, for their names and words; default: the words of the CSV.
        out: Folder to write.

    Raises:
        AnnotationError: Timelines or labels that are damaged, or of different videos.
    """
    table = read_labels(segments)
    vocabularies = _vocabularies(table, annotations)
    truth = _true_timelines(table, vocabularies)
    found = {video: with_class_names(made, vocabularies) for video, made in read_timelines(path).items()}
    videos = [video for video in truth if video in found]
    if not videos:
        reason = f"its videos ({_some(found)}) are none of those that {table.path} labels ({_some(truth)})"
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

    Args:
        predicted: video_id -> timeline.
        truth: The same keys.
        origin: What timelines.json says beside the timelines: at least `model` and `segments`.
        notes: What has to be said beside the figures.
        out: Folder to write.
        rate: Frames a second to measure at.
    """
    metrics = evaluate_timelines(predicted, truth, targets=_targets(predicted, truth), rate=rate)
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
    """Write timelines.json: what was compared.

    Args:
        out: Folder to write.
        pairs: video_id -> what was found, and what is true.
        origin: What the file says beside the timelines: at least `model` and `segments`.
        rate: Frames a second that were measured.
    """
    compared = {v: {"predicted": found.to_dict(), "truth": true.to_dict()} for v, (found, true) in pairs.items()}
    write_json(out / TIMELINES_NAME, {**origin, "frames_per_second": rate, "videos": compared})


def summarize_timelines(metrics: dict[str, Any]) -> str:
    """A line for each target, percentages."""
    lines = []
    for target in (t for t in (*TARGETS, "action") if t in metrics):
        part, background = metrics[target], metrics["baselines"]["background"][target]
        f1 = ", ".join(f"{overlap}: {value:.1f}" for overlap, value in part["f1"].items())
        lines.append(
            f"{target}: frames {part['frame_accuracy']:.1f} % (all background {background['frame_accuracy']:.1f} %), "
            f"edit {part['edit']:.1f}, F1 at {f1}, mAP {part['map']['mean']:.1f}"
        )
    return "\n".join([*lines, f"{metrics['num_segments']} actions in {metrics['num_videos']} recordings"])


def _vocabularies(table: SegmentTable, annotations: Path | None) -> dict[Target, Vocabulary]:
    if annotations is not None:
        labelled = [target for target in TARGETS if build_vocabulary(table, target) is not None]
        return {target: read_vocabulary(annotations, target) for target in labelled}
    found = {target: build_vocabulary(table, target) for target in TARGETS}
    return {target: vocabulary for target, vocabulary in found.items() if vocabulary is not None}


def _true_timelines(table: SegmentTable, vocabularies: dict[Target, Vocabulary]) -> dict[str, Timeline]:
    ids = {target: vocabulary.encode(table) for target, vocabulary in vocabularies.items()}

    def names(position: int, segment: Segment) -> tuple[str | None, str | None]:
        verb, noun = (
            vocabularies[target].names[ids[target][position]] if target in ids and ids[target][position] >= 0 else None
            for target in TARGETS
        )
        return verb, noun

    return timelines_of(table, names=names)


def _targets(predicted: dict[str, Timeline], truth: dict[str, Timeline]) -> list[TimelineTarget]:
    """What the truth knows, and the timelines speak of (a timeline without actions speaks of everything)."""
    every: list[TimelineTarget] = [*TARGETS, "action"]
    known = [target for target in every if _has(truth, target)]
    spoken = [target for target in known if _has(predicted, target)]
    return spoken if any(map(len, predicted.values())) else known


def _has(timelines: dict[str, Timeline], target: TimelineTarget) -> bool:
    return any(segment.label(target) is not None for timeline in timelines.values() for segment in timeline)


def _notes(found: dict[str, Timeline], truth: dict[str, Timeline]) -> list[str]:
    notes = []
    if more := sorted(found.keys() - truth.keys()):
        notes.append(f"{len(more)} timelines of videos without labels are left out: {_some(more)}")
    if missing := sorted(truth.keys() - found.keys()):
        notes.append(f"{len(missing)} labelled videos without a timeline are left out: {_some(missing)}")
    return notes


def _some(names: Any) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")

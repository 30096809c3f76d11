"""Timelines on disk: `timeline.json`, `timeline.csv` (a segments CSV with a column confidence), or folders of them.

And `timelines.json`, what `egoact evaluate` left: those that were found beside the true ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary
from egoact.core.annotations.parsing import parse_decimal_comma, show
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.bounds import load_json
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import METRICS_NAME
from egoact.core.timelines.metrics import FRAMES_PER_SECOND
from egoact.core.timelines.timeline import Timeline, TimelineSegment

JSON_NAME, CSV_NAME = "timeline.json", "timeline.csv"
EVALUATED_NAME = "timelines.json"
_TOLERANCE_SECONDS = 1e-3


def read_timelines(path: str | Path) -> dict[str, Timeline]:
    """The timelines of a file, or of all `timeline.json` of a folder, at any depth (or, without any, `timeline.csv`).

    Returns:
        video_id -> timeline; an `AnnotationError` for none, one that is damaged, or two of the same video.
    """
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(path.rglob(JSON_NAME)) or sorted(path.rglob(CSV_NAME))
        if not files:
            raise AnnotationError(f"no {JSON_NAME} or {CSV_NAME} in this folder; egoact predict writes them", path=path)
    found: dict[str, Timeline] = {}
    for file in files:
        for timeline in _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file):
            if timeline.video_id in found:
                raise AnnotationError(f"a second timeline of the video '{timeline.video_id}'", path=file)
            found[timeline.video_id] = timeline
    return found


def _read_json(path: Path) -> list[Timeline]:
    try:
        return [Timeline.from_dict(load_json(path))]
    except FileNotFoundError:
        raise AnnotationError("no such file", path=path) from None
    except (OSError, ValueError, AttributeError) as error:
        raise AnnotationError(f"not a timeline that can be read ({error})", path=path) from None


def _read_csv(path: Path) -> Iterable[Timeline]:
    table, sheet = read_segments(path), read_spreadsheet(path)
    confidences = sheet.convert("confidence", _parse_share) if "confidence" in sheet else ()
    return timelines_of(table, confidences=confidences).values()


def _parse_share(text: str) -> float:
    value = parse_decimal_comma(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{show(text)} is not between 0 and 1")
    return value


def timelines_of(
    table: SegmentTable,
    *,
    confidences: Sequence[float] = (),
    names: Mapping[Target, Sequence[str | None]] | None = None,
) -> dict[str, Timeline]:
    """Labelled segments as timelines, one a video; a segment without a label is an `AnnotationError`.

    Confidences are 1 unless given; `names` are those of the verbs and nouns of all segments, by default the words of
    the CSV.
    """
    of_video: dict[str, list[TimelineSegment]] = {}
    for position, segment in enumerate(table):
        verb, noun = segment.verb, segment.noun
        if names is not None:
            verb, noun = (names[target][position] if target in names else None for target in TARGETS)
        times = (segment.start_seconds, segment.stop_seconds)
        try:
            made = TimelineSegment(*times, verb, noun, confidences[position] if confidences else 1.0)
        except ValueError as error:
            raise AnnotationError(str(error), path=table.path, place=table.place(position)) from None
        of_video.setdefault(segment.video_id, []).append(made)
    return {
        video: Timeline(video, tuple(sorted(segments, key=lambda segment: segment.start_seconds)))
        for video, segments in of_video.items()
    }


def class_names(table: SegmentTable, vocabulary: Vocabulary) -> list[str | None]:
    """The name of each segment's class, None without a label; errors are those of `Vocabulary.encode`."""
    return [vocabulary.names[number] if number >= 0 else None for number in vocabulary.encode(table).tolist()]


def with_class_names(timeline: Timeline, vocabularies: Mapping[Target, Vocabulary]) -> Timeline:
    """The same timeline, with words replaced by the names of their classes."""

    def name(target: Target, word: str | None) -> str | None:
        return vocabularies[target].class_name(word) if word is not None and target in vocabularies else word

    segments = tuple(replace(s, verb=name("verb", s.verb), noun=name("noun", s.noun)) for s in timeline)
    return replace(timeline, segments=segments)


@dataclass(frozen=True)
class EvaluatedTimelines:
    """Timelines that were found, and the true ones of the same recordings: video_id -> timeline."""

    path: Path  # the folder, or the run that found them
    segments: str  # the CSV with the true actions
    rate: float  # frames a second to measure at
    predicted: Mapping[str, Timeline]
    truth: Mapping[str, Timeline]
    notes: tuple[str, ...] = ()  # what has to be said beside the figures
    run: Path | None = None  # that found them, where it is known

    @classmethod
    def read(cls, folder: Path) -> "EvaluatedTimelines":
        """What a folder holds; an `ArtifactError` where a file is missing or damaged."""
        path = folder / EVALUATED_NAME
        written, metrics = read_json(path), read_json(folder / METRICS_NAME)
        try:
            found, truth = (
                {str(video): Timeline.from_dict(both[side]) for video, both in written["videos"].items()}
                for side in ("predicted", "truth")
            )
            run = written.get("run", {}).get("path")
            rate = float(written.get("frames_per_second", FRAMES_PER_SECOND))
            notes = tuple(map(str, metrics.get("notes", ())))
            where = None if run is None else Path(run)
            return cls(folder, str(written["segments"]), rate, found, truth, notes, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"not what egoact evaluate writes ({type(error).__name__}: {error}); run it again"
            raise ArtifactError(reason, path=path) from None

    def check_comparable(self, first: "EvaluatedTimelines") -> None:
        """Refuse timelines of other recordings, labels or frames than those of another model: an `ArtifactError`."""
        if odd := sorted(self.truth.keys() ^ first.truth.keys()):
            reason = f"{odd[0]} is only in one of it and {first.path}; compare models on the same recordings"
            raise ArtifactError(reason, path=self.path)
        if self.rate != first.rate:
            reason = f"measured at {self.rate:g} frames a second, {first.path} at {first.rate:g}; evaluate them alike"
            raise ArtifactError(reason, path=self.path)
        if odd := [video for video, wanted in first.truth.items() if not _agree(self.truth[video], wanted)]:
            reason = f"{odd[0]} has other labels than in {first.path}; compare models on the same labels"
            raise ArtifactError(reason, path=self.path)


def holds_timelines(folder: Path) -> bool:
    """Whether timelines, and not clips, were evaluated into a folder last."""
    if not (folder / EVALUATED_NAME).is_file() or not (folder / METRICS_NAME).is_file():
        return False
    metrics = read_json(folder / METRICS_NAME)
    return isinstance(metrics, dict) and "frames_per_second" in metrics


def _agree(one: Timeline, other: Timeline) -> bool:
    return len(one) == len(other) and all(
        (a.verb, a.noun) == (b.verb, b.noun)
        and max(abs(x - y) for x, y in zip(a.span, b.span, strict=True)) < _TOLERANCE_SECONDS
        for a, b in zip(one, other, strict=True)
    )

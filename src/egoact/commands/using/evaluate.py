"""`egoact evaluate`: a run, anybody's scores, or timelines, against labels, by the official protocol."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.flags import check_together

if TYPE_CHECKING:
    from egoact.core.annotations.segments import SegmentTable
    from egoact.evaluation.segments import SegmentEvaluation
    from egoact.timelines.stored import StoredRecordings


@dataclass(frozen=True)
class EvaluateSettings:
    """Measure a run, any scores file, or timelines, on labelled segments."""

    segments: tuple[Path, ...]
    """Segments CSV with labels, or several."""
    out: Path
    """Folder for metrics.json, scores.npz, confusion matrices and report.html."""
    merge_case: bool = False
    """Labels that differ in case and spaces alone are one class, spelt as most of them are."""
    run: Path | None = None
    """Run directory; needs --features. Of egoact train-timeline: when it finds actions is measured, in the whole
    recordings of --segments."""
    features: tuple[Path, ...] = ()
    """Feature store that holds the segments, or the whole recordings; for a run on several, all of them."""
    scores: Path | None = None
    """Scores of any model (npz or JSON) instead of --run."""
    timeline: Path | None = None
    """Instead of --run: a timeline.json or timeline.csv, or a folder of them, to measure when actions were found."""
    annotations: Path | None = None
    """Folder with class files, tail lists and unseen participants, for the official parts of the result."""
    task: Literal["recognition", "anticipation", "detection"] = "recognition"
    """anticipation: also class-mean top-5 recall, the challenge's measure for answers that were given before the
    actions began; always for a run of egoact train --gap. detection: mean average precision of --scores, a zip of that
    challenge, or of all that a run of egoact train-timeline finds; see --timeline for timelines."""
    action_scoring: Literal["per_segment", "published"] = "per_segment"
    """per_segment, or published: the softmax over the whole array, as the challenge's published evaluator has it."""

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.run, self.scores, self.timeline)) != 1:
            raise ValueError("give either --run with --features, or --scores, or --timeline")
        check_together(self, "run", "features")
        if self.task == "detection" and self.timeline is not None:
            raise ValueError("--task detection measures --scores, a zip of the challenge, or --run; leave it away")
        if self.task == "anticipation" and self.timeline is not None:
            raise ValueError("--task anticipation measures --run or --scores; timelines are found after the actions")


def evaluate(settings: EvaluateSettings) -> int:
    """Write metrics.json, scores.npz and evaluation.json; for timelines metrics.json and timelines.json."""
    from egoact.core.metrics.protocol import summarize_anticipation
    from egoact.evaluation.segments import summarize
    from egoact.runs.provenance import warn

    if settings.task == "detection":
        _evaluate_detections(settings)
        return 0
    if settings.timeline is not None or finds_actions(settings.run):
        if settings.task == "anticipation":
            raise ValueError("--task anticipation needs a run of egoact train, which answers for single segments")
        _evaluate_timelines(settings)
        return 0
    model = settings.run or settings.scores
    assert model is not None
    evaluation = _answer(settings)
    metrics = evaluation.measure(annotations=settings.annotations, action_scoring=settings.action_scoring)
    if settings.task == "anticipation" or evaluation.anticipation is not None:
        metrics["anticipation"] = evaluation.measure_anticipation(annotations=settings.annotations)
    evaluation.write(settings.out, metrics, model=model, run=settings.run)
    num_first = len(warn(metrics["seen"])) if "seen" in metrics else 0  # said before the figures that they are about
    notes = metrics.get("notes", [])
    told = [*notes[:num_first], summarize(metrics), *notes[num_first:]]
    if "anticipation" in metrics:
        told.append(summarize_anticipation(metrics["anticipation"]))
    print("\n".join(told))
    return 0


def _evaluate_detections(settings: EvaluateSettings) -> None:
    """Of anybody's zip for the detection challenge, or of a run, by class ids."""
    from egoact.commands.labels import read_and_tell
    from egoact.core.metrics.detection import summarize_detections
    from egoact.evaluation.detections import evaluate_detection_zip

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    if settings.run is not None:
        metrics = _evaluate_found(settings, settings.run, table)
    else:
        assert settings.scores is not None
        metrics = evaluate_detection_zip(settings.scores, table, annotations=settings.annotations, out=settings.out)
    print(summarize_detections(metrics))


def _evaluate_found(settings: EvaluateSettings, run: Path, table: "SegmentTable") -> dict[str, Any]:
    """What a run of `egoact train-timeline` finds, by its own classes."""
    from egoact.evaluation.detections import measure_detections

    stored, notes = _open_stored(settings, table)
    vocabularies = stored.segmenter.config.vocabularies
    labels = {str(t): v.encode(table, allow_unlabelled=False) for t, v in vocabularies.items()}
    for note in notes:
        print(note)
    found = stored.detect(table.video_ids)
    return measure_detections(found, table, labels, model=run, out=settings.out)


def _open_stored(settings: EvaluateSettings, table: "SegmentTable") -> "tuple[StoredRecordings, tuple[str, ...]]":
    """A run of `egoact train-timeline` and its recordings, and what is to be known of what it learned from."""
    from egoact.runs.loading import load_run
    from egoact.runs.provenance import Provenance, warn
    from egoact.timelines.stored import StoredRecordings

    assert settings.run is not None
    if settings.annotations is not None:
        raise ValueError("--annotations: a run of egoact train-timeline is measured by its own classes; leave it away")
    provenance = Provenance.read(settings.run)
    notes = () if provenance is None else tuple(warn(provenance.describe(table)))
    return StoredRecordings.of(load_run(settings.run), settings.features), notes


def finds_actions(run: Path | None) -> bool:
    """Whether it is a run of `egoact train-timeline`, whose answers are timelines."""
    if run is None:
        return False
    from egoact.runs.segmenter import is_segmenter

    return is_segmenter(run)


def _evaluate_timelines(settings: EvaluateSettings) -> None:
    from egoact.evaluation.timelines import evaluate_timeline_files, summarize_timelines

    if settings.timeline is not None:
        metrics = evaluate_timeline_files(
            settings.timeline, segments=settings.segments, annotations=settings.annotations, out=settings.out
        )
    else:
        metrics = _evaluate_recordings(settings)
    print("\n".join([*metrics.get("notes", []), summarize_timelines(metrics)]))


def _evaluate_recordings(settings: EvaluateSettings) -> dict[str, Any]:
    """Of a run that finds actions, in recordings whose features are in a store."""
    from egoact.commands.labels import read_and_tell
    from egoact.evaluation.timelines import measure_timelines

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    stored, notes = _open_stored(settings, table)
    found, truth = stored.answer(table)
    return measure_timelines(
        found,
        truth,
        origin={"model": str(settings.run), "segments": str(table.path), **stored.describe(settings.segments, found)},
        notes=notes,
        out=settings.out,
        rate=stored.frames_per_second,
    )


def _answer(settings: EvaluateSettings) -> "SegmentEvaluation":
    from egoact.commands.labels import read_and_tell
    from egoact.core.metrics.challenges.submission import check_submission
    from egoact.core.metrics.scores import load_scores
    from egoact.evaluation.segments import SegmentEvaluation, official_vocabularies, vocabularies_of_scores

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    if settings.run is None:
        assert settings.scores is not None
        actions = None
        if settings.task == "anticipation" and settings.scores.suffix.lower() == ".zip":
            submission = check_submission(settings.scores, table, challenge="action_anticipation")
            scores, actions = submission.scores, submission.actions
        else:
            scores = load_scores(settings.scores).align(table)
        vocabularies = vocabularies_of_scores(scores, table, settings.annotations)
        return SegmentEvaluation(table, scores, vocabularies, {}, actions=actions)
    from egoact.runs.loading import load_run  # anybody's scores are measured without torch
    from egoact.runs.provenance import Provenance

    run = load_run(settings.run)
    vocabularies = official_vocabularies(dict(run.config.vocabularies), settings.annotations)
    scores, provenance = run.score(table, settings.features), Provenance.read(settings.run)
    counts, anticipation = run.config.training_counts, run.config.anticipation
    return SegmentEvaluation(table, scores, vocabularies, counts, provenance, anticipation)

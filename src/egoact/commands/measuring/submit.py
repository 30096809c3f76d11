"""`egoact submit`: the challenge zip of a run, of any scores file, or of timelines; and a check of anybody's zip."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.flags import check_together, flag_of
from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    from egoact.core.annotations.labels import Target, Vocabulary
    from egoact.core.annotations.segments import SegmentTable
    from egoact.core.metrics.challenges.submission import ScoredChallenge
    from egoact.core.metrics.detection import Detections
    from egoact.core.metrics.scores import Scores

_SCORED_CHALLENGES: "dict[str, ScoredChallenge]" = {
    "recognition": "action_recognition",
    "anticipation": "action_anticipation",
}
# True of a run: an ImageNet backbone, trained with start and stop times on the training set.
_LEVELS_OF_A_RUN = {"sls_pt": 1, "sls_tl": 3, "sls_td": 3}


@dataclass(frozen=True, kw_only=True)
class SubmitSettings:
    """Write a submission to a challenge of EPIC-KITCHENS-100, or check one.

    Recognition and anticipation take scores of test segments; detection takes what a run finds in test recordings, or
    their timelines.
    """

    task: Literal["recognition", "anticipation", "detection"] = "recognition"
    """Which challenge."""
    segments: Path | None = None
    """CSV of the test segments. With --check: also check that each of them is there, once, and no other."""
    out: Path | None = None
    """The zip to write."""
    run: Path | None = None
    """Run directory of the model that answers; needs --features. Detection: of egoact train-timeline."""
    features: tuple[Path, ...] = ()
    """Feature store of the test segments; for a run on several, all of them in its order."""
    scores: Path | None = None
    """Scores of any model (npz or JSON) instead of --run; needs the three levels."""
    timeline: Path | None = None
    """Detection: a folder with a timeline of each test recording, as egoact predict writes them; needs the levels."""
    classes: Path | None = None
    """Detection: folder with the class files, for the ids of verbs and nouns."""
    check: Path | None = None
    """Check this zip instead of writing one."""
    sls_pt: int | None = None
    """Pre-training: 0 none, 1 public images, 2 + video, 3 self-supervised, 4 + EPIC-KITCHENS, 5 private. A run: 1."""
    sls_tl: int | None = None
    """Labels: 0 none, 1 video-level, 2 narration times, 3 start and stop, 4 spatial, 5 extra. A run: 3."""
    sls_td: int | None = None
    """Training data: 0 zero-shot, 1 up to 5 a class, 2 up to 25 %, 3 train, 4 train + validation, 5 extra. A run: 3."""

    def __post_init__(self) -> None:
        from egoact.core.epic.facts import SUPERVISION_LEVELS

        if self.check is not None:
            others = (self.out, self.run, self.scores, self.timeline, self.classes)
            if self.features or any(value is not None for value in others):
                raise ValueError("--check reads a zip that exists; leave --out, --run, --features and --scores away")
            return
        if self.segments is None or self.out is None:
            raise ValueError("--segments and --out are needed to write a submission (or --check FILE.zip to read one)")
        self._check_answers()
        if missing := [name for name, level in self.levels.items() if level is None]:
            meanings = ", ".join(f"{n} {meaning}" for n, meaning in enumerate(SUPERVISION_LEVELS[missing[0]]))
            given = "--scores" if self.timeline is None else "--timeline"
            raise ValueError(f"{flag_of(missing[0])} is needed with {given}; it is one of {meanings}")

    def _check_answers(self) -> None:
        if self.task == "detection":
            if (self.timeline is None) == (self.run is None) or self.classes is None or self.scores:
                raise ValueError(
                    "--task detection needs --classes and either --run with --features, or --timeline; no --scores"
                )
        elif self.timeline is not None or self.classes is not None:
            raise ValueError("--timeline and --classes are for --task detection")
        elif (self.run is None) == (self.scores is None):
            raise ValueError("give either --run with --features, or --scores")
        check_together(self, "run", "features")

    @property
    def levels(self) -> dict[str, Any]:
        """The three levels to write; None: not given."""
        given = {"sls_pt": self.sls_pt, "sls_tl": self.sls_tl, "sls_td": self.sls_td}
        known = _LEVELS_OF_A_RUN if self.run is not None else {}
        return {name: known.get(name) if level is None else level for name, level in given.items()}


def submit(settings: SubmitSettings) -> int:
    """Write or check a submission; 0, or an error."""
    from egoact.core.annotations.segments import read_segments
    from egoact.core.metrics.challenges.submission import write_submission

    table = None if settings.segments is None else read_segments(settings.segments)
    if settings.check is not None:
        print(_check(settings, settings.check, table))
        return 0
    assert table is not None and settings.out is not None
    if settings.task == "detection":
        _write_detections(settings, table, settings.out)
    else:
        scores = _find_scores(settings, table)
        _make_folder(settings.out)
        challenge, (pt, tl, td) = _SCORED_CHALLENGES[settings.task], settings.levels.values()
        write_submission(scores, settings.out, sls_pt=pt, sls_tl=tl, sls_td=td, challenge=challenge)
    print(_check(settings, settings.out, table))
    return 0


def _write_detections(settings: SubmitSettings, table: "SegmentTable", out: Path) -> None:
    from egoact.core.annotations.labels import TARGETS, read_vocabulary
    from egoact.core.metrics.challenges.detection_submission import write_detections
    from egoact.core.timelines.files import read_timelines
    from egoact.evaluation.detections import detections_of

    assert settings.classes is not None
    vocabularies = {target: read_vocabulary(settings.classes, target) for target in TARGETS}
    try:
        if settings.timeline is None:
            found = _find_detections(settings, table, vocabularies)
        else:
            found = detections_of(read_timelines(settings.timeline), vocabularies, video_ids=table.video_ids)
    except ValueError as error:
        raise ArtifactError(str(error), path=settings.timeline or settings.run) from None
    _make_folder(out)
    write_detections(found, out, **settings.levels)


def _find_detections(
    settings: SubmitSettings, table: "SegmentTable", vocabularies: "dict[Target, Vocabulary]"
) -> "Detections":
    """What a run of `egoact train-timeline` finds, in the numbers of the challenge's classes."""
    from egoact.evaluation.detections import renumber
    from egoact.runs.loading import load_run
    from egoact.timelines.stored import StoredRecordings

    assert settings.run is not None
    stored = StoredRecordings.of(load_run(settings.run), settings.features)
    ours = stored.segmenter.config.vocabularies
    return renumber(stored.detect(table.video_ids), ours, vocabularies)


def _find_scores(settings: SubmitSettings, table: "SegmentTable") -> "Scores":
    from egoact.core.metrics.scores import load_scores

    if settings.scores is not None:
        return load_scores(settings.scores).align(table)
    from egoact.runs.loading import load_run  # a scores file needs no torch

    assert settings.run is not None
    run = load_run(settings.run)
    if (run.config.anticipation is not None) != (settings.task == "anticipation"):
        looks = "at the actions themselves" if run.config.anticipation is None else "at what comes before the actions"
        raise ArtifactError(f"this run looks {looks}, so it does not fit --task {settings.task}", path=settings.run)
    return run.score(table, settings.features).align(table)


def _make_folder(out: Path) -> None:
    from egoact.core.files import make_folder

    if out.is_dir():
        raise ArtifactError("this is a folder; name the zip to write, such as submission.zip", path=out)
    make_folder(out.parent)


def _check(settings: SubmitSettings, path: Path, table: "SegmentTable | None") -> str:
    """What a zip holds, in a line; an error where the challenge would refuse it."""
    from egoact.core.metrics.challenges.detection_submission import check_detections
    from egoact.core.metrics.challenges.submission import check_submission

    if settings.task == "detection":
        found = check_detections(path, table)
        levels, what = found.levels, f"{len(found.detections)} actions in {len(found.detections.video_ids)} recordings"
    else:
        submission = check_submission(path, table, challenge=_SCORED_CHALLENGES[settings.task])
        levels, what = submission.levels, f"{len(submission.scores)} segments"
    listed = ", ".join(f"{name} {level}" for name, level in levels.items())
    against = "not compared with a list of segments" if table is None else f"exactly those of {table.path.name}"
    return f"{path}: valid, {what} ({against}), {listed}"

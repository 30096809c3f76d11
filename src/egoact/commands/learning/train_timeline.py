"""`egoact train-timeline`: from features of whole recordings and labels to a run that finds actions in recordings."""

import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.flags import check_known, check_least, check_validation
from egoact.core import defaults

if TYPE_CHECKING:
    from egoact.core.annotations.labels import Target, Vocabulary
    from egoact.core.annotations.segments import SegmentTable
    from egoact.store.recordings import Recordings
    from egoact.timelines.learning.segmenter_training import SegmenterTraining
    from egoact.training.run_folder import RunFolder
    from egoact.training.segmentation.recipe import SegmenterRecipe


@dataclass(frozen=True)
class TrainTimelineSettings:
    """Train a segmenter: what happens at every step of a recording, and when nothing does.

    Learns from whole recordings, their labelled actions and the gaps between them. How scores become actions, and how
    sure to be of each, is chosen on recordings that were left out. egoact predict then writes timelines.
    """

    segments: tuple[Path, ...]
    """Segments CSV with labels to learn from; several are used as one."""
    features: tuple[Path, ...]
    """Feature store made by egoact extract, without --segments or with --recordings. Several: used together."""
    run: Path
    """Run directory to write."""
    streams: tuple[str, ...] = ()
    """Streams to learn from, of those that the store holds: rgb, grid, difference, motion; default: all of them."""
    segmenter: str = defaults.SEGMENTER
    """linear (ridge regression on windows around each step: for few recordings, fitted in seconds), mstcn (MS-TCN++),
    asformer, gru; for egoact live, which sees no future: causal (linear), causal_tcn; detector (after ActionFormer),
    which proposes where actions begin and end instead of scoring every step."""
    segmenter_options: tuple[str, ...] = ()
    """Options of the segmenter, as NAME=VALUE: width=64."""
    validation: Path | None = None
    """Segments CSV of other recordings to choose on and to measure; default: training recordings, left out in turn."""
    validation_videos: tuple[str, ...] = ()
    """Videos of --segments to keep for validation instead."""
    labelled_only: bool = False
    """Labels do not cover everything that happens: what lies outside them is unknown, and not background. Stretches of
    recordings (egoact extract --segments) will do."""
    rate: int | None = None
    """Steps a second to look at; must divide the rate of the store. Default: 4, or what comes next to it and does."""
    components: int = 64
    """Of a network: principal components that it gets of each stream."""
    members: int = 3
    """Of a network: how many are trained from other initial weights, and averaged."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """What to learn; default: what --segments has labels for."""
    labels: Literal["classes", "categories"] = "classes"
    """Classes, or the categories that the class files give for them."""
    merge_case: bool = False
    """Labels that differ in case and spaces alone are one class, spelt as most of them are."""
    classes: Path | None = None
    """Folder with verb_classes.csv and noun_classes.csv; default: classes as in --segments."""
    seed: int = 0
    """Of initial weights, and of the order and warps of recordings."""
    overwrite: bool = False
    """Replace a run of other settings that is already there."""
    updates: int | None = None
    """Steps of the optimiser."""
    batch_size: int | None = None
    """Recordings in a batch."""
    learning_rate: float | None = None
    """Of AdamW, at the start."""
    weight_decay: float | None = None
    """Decoupled, as in AdamW."""
    smoothing: float | None = None
    """Weight of the loss on jumps from step to step."""
    label_smoothing: float | None = None
    """Share of the target that is spread over all classes."""
    warp: float | None = None
    """Recordings are stretched in time by up to this factor, and down to its inverse."""
    input_dropout: float | None = None
    """Share of the components that are left out, others each time."""
    noise: float | None = None
    """Of what is added to the components."""
    ema: float | None = None
    """Decay of the moving average of the weights; 0: none."""

    def __post_init__(self) -> None:
        from egoact.models.detectors import TRAINABLE

        check_known("segmenter", [self.segmenter], TRAINABLE)
        check_validation(self)
        check_least(self, 1, "rate", "components", "members")
        self.recipe()

    def recipe(self) -> "SegmenterRecipe":
        """The hyperparameters, with the changes that flags ask for."""
        from egoact.training.segmentation.recipe import SegmenterRecipe

        names = [field.name for field in fields(SegmenterRecipe)]
        changes: dict[str, Any] = {n: getattr(self, n) for n in names if getattr(self, n, None) is not None}
        return SegmenterRecipe(**changes)


def train_timeline(settings: TrainTimelineSettings) -> int:
    """Train and write the run directory; see `TrainTimelineSettings`."""
    from egoact.training.run_folder import RunFolder, plain

    folder = RunFolder(settings.run, plain(settings, leave_out=("run", "overwrite")))
    with folder.claimed(overwrite=settings.overwrite) as is_to_do:
        if is_to_do:
            _train(settings, folder)
        else:
            print(f"{settings.run} is already trained with these settings")
    return 0


def _train(settings: TrainTimelineSettings, folder: "RunFolder") -> None:
    from egoact.core.progress import Progress, format_seconds, working
    from egoact.evaluation.timelines import summarize_timelines, write_compared
    from egoact.models.backbones.own_files import carry
    from egoact.runs.provenance import Provenance
    from egoact.store.concatenation import open_features, own_weights
    from egoact.store.recordings import Recordings
    from egoact.timelines.learning.segmenter_training import answer_held_out
    from egoact.timelines.learning.selection import RuleSelection
    from egoact.training.data import split_segments
    from egoact.training.segmentation.recordings import read_recordings

    began = time.monotonic()
    table, vocabularies = read_what_to_learn(settings)
    training, validation = split_segments(
        table, validation=settings.validation, validation_videos=settings.validation_videos
    )
    source = open_features(settings.features, settings.streams)
    recordings = Recordings(source)
    work = prepare(settings, training, vocabularies, recordings)
    others = None
    if validation is not None:
        others = read_recordings(recordings, validation, vocabularies, labelled_only=settings.labelled_only)
    num_folds = work.num_folds if others is None else 0
    with Progress("train", total=work.count_updates(num_folds), unit="updates") as progress:
        work = replace(work, advance=progress.advance)
        if validation is None or others is None:
            held_out = list(work.hold_out(training))
            fitted = work.fit()
        else:
            fitted = work.fit()
            held_out = list(answer_held_out(fitted, others, validation, training))
    with working("train: choosing how scores become actions"):
        selection = RuleSelection(held_out, training, vocabularies, rate=work.config.steps_per_second)
        rules, metrics = selection.rules(), selection.measure()
    folder.write_settings(work.recipe, num_parameters=sum(p.numel() for p in fitted.model.parameters()))
    if metrics:
        folder.write_metrics(metrics)
        write_compared(
            settings.run,
            selection.timelines(),
            origin={"model": str(settings.run), "segments": str(table.path), "held_out": True},
        )
    Provenance.of(training, () if validation is None else validation).write(settings.run)
    carry(own_weights(source), settings.run)
    fitted.with_rules(rules).save(settings.run)
    print(
        f"trained {settings.segmenter} on {len(work.stretches)} "
        f"{'stretches' if settings.labelled_only else 'recordings'} in {format_seconds(time.monotonic() - began)}; "
        f"{settings.run}"
    )
    if metrics:
        whose = "validation recordings" if others is not None else "training recordings, each answered without it"
        print(f"{whose}:\n{summarize_timelines(metrics)}")
        print(f"confidence is off by {metrics['calibration_error']:.0f} % on average")


def read_what_to_learn(settings: TrainTimelineSettings) -> "tuple[SegmentTable, dict[Target, Vocabulary]]":
    """The labels, and the classes that are learned."""
    from egoact.commands.labels import read_and_tell
    from egoact.training.data import choose_vocabularies

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    return table, choose_vocabularies(
        table, targets=settings.targets, classes=settings.classes, labels=settings.labels, least=1
    )


def prepare(
    settings: TrainTimelineSettings,
    table: "SegmentTable",
    vocabularies: "dict[Target, Vocabulary]",
    recordings: "Recordings",
) -> "SegmenterTraining":
    """The training that was asked for, on the recordings that `table` labels."""
    from egoact.commands.learning.train_settings import parse_options
    from egoact.runs.segmenter import SegmenterConfig
    from egoact.timelines.learning.segmenter_training import SegmenterTraining
    from egoact.training.segmentation.recordings import read_recordings

    stretches = read_recordings(recordings, table, vocabularies, labelled_only=settings.labelled_only)
    rate = settings.rate or usual_rate(recordings.rate)
    if recordings.rate % rate:
        raise ValueError(f"--rate {rate} does not divide {recordings.rate}, the steps a second of the store")
    specs = [store.spec for store in recordings.stores]
    config = SegmenterConfig(
        segmenter=settings.segmenter,
        options=parse_options(settings.segmenter_options),
        vocabularies=vocabularies,
        backbones=tuple(spec.backbone for spec in specs),
        components=settings.components,
        rate=recordings.rate,
        stride=recordings.rate // rate,
        members=settings.members,
        precision=specs[0].precision,
    )
    return SegmenterTraining(config, settings.recipe(), stretches, settings.seed)


def usual_rate(rate: int) -> int:
    """The divisor of a store's rate that is nearest to `defaults.TIMELINE_RATE`; of two the larger one."""
    divisors = [one for one in range(1, rate + 1) if rate % one == 0]
    return min(divisors, key=lambda one: (abs(one - defaults.TIMELINE_RATE), -one))

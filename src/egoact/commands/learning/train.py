"""`egoact train`: from features and labels to a run directory."""

import contextlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.flags import check_known, check_least, check_validation
from egoact.core import defaults
from egoact.training.recipes import Recipe, choose_recipe, with_larger_batches

if TYPE_CHECKING:
    from egoact.core.annotations.anticipation import Anticipation
    from egoact.core.sampling import ClipSampling
    from egoact.runs.recognizer import RecognizerConfig
    from egoact.training.data import TrainingData
    from egoact.training.machine import Machine
    from egoact.training.run_folder import RunFolder


@dataclass(frozen=True)
class TrainSettings:
    """Train a temporal head and its classifiers on extracted features.

    A killed training goes on where it was when the same command is given again.
    """

    segments: tuple[Path, ...]
    """Segments CSV with labels to learn from; several are used as one."""
    features: tuple[Path, ...]
    """Feature store made by `egoact extract`; must hold all segments. Several: their features are used together."""
    run: Path
    """Run directory to write."""
    streams: tuple[Literal["rgb", "grid", "difference", "motion"], ...] = ()
    """Streams of --features to use, see egoact extract; default: all that are there."""
    validation: Path | None = None
    """Segments CSV to validate on; its features are in the same store."""
    validation_videos: tuple[str, ...] = ()
    """Videos of --segments to keep for validation instead."""
    num_frames: int = defaults.NUM_FRAMES
    """Frames per clip."""
    views: int = 1
    """Clips per segment: the first looks at the middles of equal bins, the others anywhere in them. Training takes one
    at random each time, and evaluation the mean of what they say."""
    head: str = "auto"
    """Temporal head: average, max, consensus, lstm, gru, convnet1d, difference, tcn, relation, attention, transformer,
    probe, statistics; on maps: convlstm, lsta, flow_attention (the flow's maps last). auto: statistics where the
    streams show motion and the recipe is ridge, else difference."""
    head_options: tuple[str, ...] = ()
    """Options of the head, as NAME=VALUE: width=256."""
    fusion: Literal["early", "late", "sum", "max", "conv"] = "early"
    """Of several feature stores: early, one head on all features; late, one head a store and the mean of what they
    say, with learned weights; sum, max, conv: one head on a mixture of them, channel by channel or a learned one."""
    fusion_folds: int = 0
    """With --fusion late: search the weights of the stores by training without so many groups of recordings in turn,
    and asking about them; 0: learn them from clips that the models have seen."""
    joint: bool = False
    """Also learn the pairs of verb and noun as classes, and let them have a say in both."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """What to learn; default: what --segments has labels for."""
    labels: Literal["classes", "categories"] = "classes"
    """Classes, or the categories that the class files give for them."""
    gap: float | None = None
    """Learn to anticipate: the clip ends so many seconds before its action begins (1.0 in the challenge of
    EPIC-KITCHENS). Default: the clip is the action itself."""
    observe: float | None = None
    """With --gap: how many seconds the clip lasts; default: 2.5."""
    merge_case: bool = False
    """Labels that differ in case and spaces alone are one class, spelt as most of them are."""
    classes: Path | None = None
    """Folder with verb_classes.csv and noun_classes.csv; default: classes as in --segments."""
    recipe: str = "auto"
    """Set of hyperparameters: default, report, or ridge, which fits the classifiers in closed form. auto: ridge for
    heads without parameters and up to 10,000 clips, unless a flag below asks for something else; default otherwise.
    The flags below change single hyperparameters."""
    select: Literal["best", "last"] = "best"
    """Which weights to keep: the best epoch on validation data, or the last. Without validation: the last. With it
    RUN/best and RUN/last are runs of their own."""
    folds: int = 0
    """First leave out so many groups of recordings in turn (of persons, where participant_id tells enough of them), and
    write how runs do on what they never saw to RUN/cross_validation.json; then train on all."""
    seeds: int = 1
    """Train so many runs, with the seeds from --seed on, side by side on all cores, each what it would be alone:
    RUN/seed_0 and so on. RUN/seeds.json has the mean and the spread of what they reach on the validation data."""
    seed: int = 0
    """Of initial weights, shuffling and dropout, and of the folds."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: Literal["auto", "f32", "bf16"] = "auto"
    """f32; bf16: matrix products in bfloat16; auto: f32."""
    devices: int = 1
    """Processes on this machine that share every epoch, one a device; --batch-size is that of each."""
    nodes: int = 1
    """Machines that share every epoch: start the same command on each, with MASTER_ADDR, MASTER_PORT and its own
    NODE_RANK (0, 1, ...) in the environment, or let torchrun or SLURM do that."""
    overwrite: bool = False
    """Replace a run of other settings that is already there."""
    epochs: int | None = None
    """Passes over the training clips."""
    batch_size: int | None = None
    """Clips in a batch. Unless this or --learning-rate is given, a GPU learns pooled features in batches of up to 512,
    where an epoch keeps 16 steps, at a learning rate that grows by the square root."""
    learning_rate: float | None = None
    """Of AdamW, at the start."""
    weight_decay: float | None = None
    """Decoupled, as in AdamW."""
    dropout: float | None = None
    """Before the classifiers."""
    solver: Literal["adamw", "ridge"] | None = None
    """adamw: gradients; ridge: in closed form, for the heads without parameters."""
    schedule: Literal["constant", "step", "cosine"] | None = None
    """Of the learning rate."""
    loss: Literal["cross_entropy", "focal", "balanced_softmax", "logit_adjustment"] | None = None
    """For each target; the sum is minimised."""
    class_weights: Literal["none", "inverse", "square_root", "effective_number"] | None = None
    """Of the loss, from the class counts."""
    class_balanced_sampling: bool | None = None
    """Draw every class equally often: half of the clips by verb, half by noun."""
    retrain_epochs: int | None = None
    """Then freeze the head and train new classifiers for that many epochs on classes drawn equally often (cRT, Kang
    et al. 2020). A head without parameters (average, max, difference) has nothing to freeze: it starts from zero."""
    temperature: float | None = None
    """Of logit adjustment."""
    label_smoothing: float | None = None
    """Share of the target that is spread over all classes."""
    mixup: float | None = None
    """Alpha of mixup on features; 0: none."""
    gradient_clip: float | None = None
    """Largest gradient norm; 0: no clipping."""
    patience: int | None = None
    """Stop after that many epochs without a better validation score; 0: never."""
    ema: float | None = None
    """Decay of the moving average of the weights; 0: none."""

    def __post_init__(self) -> None:
        from egoact.models.names import HEADS

        if self.patience and self.validation is None and not self.validation_videos:
            raise ValueError("--patience waits for a better validation score: give --validation or --validation-videos")
        check_validation(self)
        if self.folds and (self.validation is not None or self.validation_videos or self.patience):
            raise ValueError("--folds chooses nothing by what it measures: leave --validation and --patience away")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"--folds must be at least 2, got {self.folds}")
        check_least(self, 1, "seeds")
        if self.seeds > 1 and (self.folds or self.devices * self.nodes > 1):
            raise ValueError("--seeds goes without --folds, --devices and --nodes")
        if self.head != "auto":
            check_known("head", [self.head], HEADS)
        if self.fusion_folds and (self.fusion != "late" or self.fusion_folds < 2 or self.devices * self.nodes > 1):
            raise ValueError("--fusion-folds is at least 2, and goes with --fusion late in one process")
        self.chosen_recipe()
        self.machine()
        self.clips()
        self.anticipation()

    def chosen_recipe(self, num_clips: int = 0) -> Recipe:
        """The recipe with the changes that flags ask for; `num_clips` to train on decide with `--recipe auto`."""
        changes = {f.name: getattr(self, f.name) for f in fields(Recipe)}
        is_plain = all(value is None for name, value in changes.items() if name != "solver")
        is_ridge = is_plain and (self.solver == "ridge" or (self.solver is None and self._is_solvable(num_clips)))
        name = self.recipe if self.recipe != "auto" else "ridge" if is_ridge else "default"
        recipe = choose_recipe(name, **changes)
        if recipe.solver == "ridge" and self.fusion != "early":
            raise ValueError(f"the solver ridge weighs the streams itself: leave --fusion {self.fusion} away")
        if recipe.solver == "ridge" and self.seeds > 1:
            raise ValueError("the solver ridge gives the same for every seed: leave --seeds away")
        if recipe.solver == "ridge" and self.devices * self.nodes > 1:
            raise ValueError("the solver ridge works in one process: leave --devices and --nodes away")
        return recipe

    def chosen_head(self, recipe: Recipe, streams: Iterable[str]) -> str:
        """The head, for streams of these names."""
        if self.head != "auto":
            return self.head
        return "statistics" if recipe.solver == "ridge" and "motion" in streams else defaults.HEAD

    def _is_solvable(self, num_clips: int) -> bool:
        from egoact.models.names import FIXED_HEADS
        from egoact.training.recipes import MOST_CLIPS_OF_RIDGE

        is_alone = self.devices * self.nodes == self.seeds == 1 and self.fusion == "early"
        is_fixed = self.head == "auto" or self.head in FIXED_HEADS
        return is_alone and is_fixed and num_clips <= MOST_CLIPS_OF_RIDGE

    def clips(self) -> "ClipSampling":
        """How segments become clips."""
        from egoact.core.sampling import ClipSampling

        return ClipSampling(self.num_frames, self.views)

    def anticipation(self) -> "Anticipation | None":
        """When to look at what comes before the actions; None: at the actions."""
        from egoact.core.annotations.anticipation import choose_anticipation

        return choose_anticipation(self.gap, self.observe)

    def machine(self) -> "Machine":
        """Where to train."""
        from egoact.training.machine import Machine

        return Machine(self.device, self.precision, self.devices, self.nodes)

    @property
    def first_run(self) -> Path:
        """The run, or the first of several."""
        return self.each_seed()[0].run

    def each_seed(self) -> "list[TrainSettings]":
        """Of every run that is to be trained."""
        if self.seeds == 1:
            return [self]
        seeds = range(self.seed, self.seed + self.seeds)
        return [replace(self, seeds=1, seed=seed, run=self.run / f"seed_{seed}") for seed in seeds]


def parse_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs as keyword arguments; values are read as JSON, else as text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"head options are NAME=VALUE, got {pair!r}")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        options[name] = tuple(parsed) if isinstance(parsed, list) else parsed
    return options


def train(settings: TrainSettings) -> int:
    """Train and write the run directory; see `TrainSettings`."""
    from egoact.core.errors import ArtifactError
    from egoact.training.cross_validation import SEEDS_NAME, summarize_seeds
    from egoact.training.run_folder import METRICS_NAME, RunFolder, is_leader, plain
    from egoact.training.sharing import share_out

    if settings.seeds > 1 and (settings.run / "config.json").exists():
        raise ArtifactError("this folder is a run; give another --run for those of --seeds", path=settings.run)
    every = settings.each_seed()
    folders = {each.run: RunFolder(each.run, plain(each, leave_out=("run", "overwrite", "seeds"))) for each in every}
    with contextlib.ExitStack() as held:
        todo = [e for e in every if held.enter_context(folders[e.run].claimed(overwrite=settings.overwrite))]
        if todo:
            share_out(partial(_train, settings, folders), todo, device=settings.device)
        elif is_leader():
            print(f"{settings.run} is already trained with these settings")
        is_told = not todo and (settings.run / SEEDS_NAME).exists()
        if settings.seeds > 1 and not is_told and (settings.first_run / METRICS_NAME).exists():
            print(summarize_seeds(settings.run, [each.run for each in every], seeds=[each.seed for each in every]))
    return 0


def _train(
    settings: TrainSettings, folders: "dict[Path, RunFolder]", todo: Sequence[TrainSettings], *, until: float
) -> None:
    from egoact.training.run_folder import is_leader, part_ways
    from egoact.training.train import Training, fit_together

    if settings.folds:
        _cross_validate(settings)
    began = time.monotonic()
    data = _load_data(settings)
    recipe = _fit_to_device(settings, settings.chosen_recipe(len(data.training.table)), data)
    head = settings.chosen_head(recipe, (s.backbone_spec.stream for s in data.store.specs))
    config, machine = _configure(replace(settings, head=head), recipe, data), settings.machine()
    trainings = [
        Training(config, recipe, data, each.run, machine, each.select, each.seed, each.fusion_folds) for each in todo
    ]
    models = [training.build() for training in trainings]
    num_parameters = models[0].num_trainable
    if is_leader():
        for training in trainings:
            folders[training.run].write_settings(recipe, num_parameters=num_parameters)
    fitted = fit_together(trainings, models, until=until)
    part_ways()
    if not is_leader() or not fitted:
        return
    for training, each in zip(trainings, fitted, strict=True):
        measured = {epoch: training.measure(model) for epoch, model in each.models.items()} if data.validation else {}
        if measured:
            folders[training.run].write_metrics(measured.get(settings.select) or measured["only"])
        training.save(each)
        _report(replace(settings, head=head, run=training.run), num_parameters, measured, time.monotonic() - began)


def _cross_validate(settings: TrainSettings) -> None:
    from egoact.commands.learning.cross_validation import cross_validate
    from egoact.core.annotations.union import merge_spellings, read_labels
    from egoact.training.sharing import share_out

    table = read_labels(settings.segments)
    table = merge_spellings(table) if settings.merge_case else table

    def train_folds(folds: Sequence[tuple[Path, tuple[str, ...]]]) -> None:
        every = [replace(settings, run=run, validation_videos=out, folds=0, select="last") for run, out in folds]
        if settings.machine().is_alone and settings.chosen_recipe(len(table)).solver != "ridge":
            share_out(_train_folds, every, device=settings.device, is_divisible=False)
        else:  # in closed form one is trained before another process would have begun
            _train_folds(every, until=1.0)

    cross_validate(
        table,
        features=settings.features,
        run=settings.run,
        num_folds=settings.folds,
        seed=settings.seed,
        train=train_folds,
    )


def _train_folds(runs: Sequence[TrainSettings], *, until: float) -> None:
    """To the end, one after another; `until` is what `share_out` says of runs that can be divided."""
    assert until == 1.0
    for each in runs:
        print(f"fold {int(each.run.name) + 1}: without {', '.join(each.validation_videos)}", flush=True)
        train(each)


def _fit_to_device(settings: TrainSettings, recipe: Recipe, data: "TrainingData") -> Recipe:
    """Larger batches where they cost nothing, unless flags say how large they are."""
    is_given = settings.batch_size is not None or settings.learning_rate is not None
    is_pooled = len(data.store.specs[0].backbone_spec.feature_shape) == 1
    machine = settings.machine()
    if recipe.solver == "ridge" or is_given or not is_pooled or not machine.is_alone:
        return recipe
    if machine.torch_device().type != "cuda":
        return recipe
    larger = with_larger_batches(recipe, num_clips=len(data.training.table))
    if larger != recipe:
        print(
            f"on a GPU: batches of {larger.batch_size} clips instead of {recipe.batch_size}, learning rate "
            f"{larger.learning_rate:.2g} instead of {recipe.learning_rate:.2g}; --batch-size decides otherwise"
        )
    return larger


def _load_data(settings: TrainSettings) -> "TrainingData":
    from egoact.commands.labels import read_and_tell
    from egoact.store.concatenation import open_features
    from egoact.training.data import TrainingData, choose_vocabularies, load_split, split_segments

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    training, validation = split_segments(
        table, validation=settings.validation, validation_videos=settings.validation_videos
    )
    vocabularies = choose_vocabularies(
        table, targets=settings.targets, classes=settings.classes, labels=settings.labels
    )
    if (anticipation := settings.anticipation()) is not None:
        training = anticipation.observed(training)
        validation = None if validation is None else anticipation.observed(validation)
    if settings.joint and set(vocabularies) != {"verb", "noun"}:
        raise ValueError(f"--joint needs verbs and nouns to learn, there are only {', '.join(vocabularies)}s")
    store = open_features(settings.features, settings.streams)
    if anticipation is not None and any(spec.window and spec.window.sees_ahead for spec in store.specs):
        raise ValueError("--gap: rows of this video encoder know what comes after them; extract with --past --stride 1")
    splits = [
        None if part is None else load_split(part, store, vocabularies, settings.clips())
        for part in (training, validation)
    ]
    assert splits[0] is not None
    return TrainingData(store, splits[0], splits[1], vocabularies)


def _configure(settings: TrainSettings, recipe: Recipe, data: "TrainingData") -> "RecognizerConfig":
    from egoact.runs.recognizer import RecognizerConfig

    first = data.store.specs[0]
    backbone, *stacked = (spec.backbone_spec for spec in data.store.specs)
    return RecognizerConfig(
        head=settings.head,
        head_options=parse_options(settings.head_options),
        vocabularies=data.vocabularies,
        backbone=backbone,
        stacked=tuple(stacked),
        fusion=settings.fusion,
        precision=first.precision,
        pairs=data.pairs if settings.joint else (),
        num_frames=settings.num_frames,
        num_views=settings.views,
        dropout=recipe.dropout,
        training_counts=data.class_counts,
        anticipation=settings.anticipation(),
        window_seconds=data.window_seconds,
    )


def _report(settings: TrainSettings, num_parameters: int, measured: dict[str, dict[str, Any]], seconds: float) -> None:
    """A line on the training, and one on each of the epochs that may be kept, with which one is, and why."""
    from egoact.core.progress import format_seconds
    from egoact.training.history import epoch_seconds

    epochs = epoch_seconds(settings.run)
    share = "" if epochs is None else f", its epochs in {format_seconds(epochs)}"
    print(
        f"trained {settings.head} ({num_parameters:,} parameters) in {format_seconds(seconds)}{share}; {settings.run}"
    )
    for epoch, metrics in measured.items():
        shown = [f"{t} {metrics[t]['top1']:.1f}" for t in ("verb", "noun", "action") if t in metrics]
        line = f"{'' if epoch == 'only' else f'{epoch} epoch, '}validation top-1 %: {', '.join(shown)}"
        if epoch in (settings.select, "only"):
            is_chosen = epoch == "best"
            why = "chosen by these segments, so higher than on others" if is_chosen else "nothing was chosen by them"
            line += f" ({why})" if epoch == "only" else f"; kept ({why})"
        print(line)

"""The flags of `egoact train`."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.flags import check_known, check_least, check_validation
from egoact.core import defaults
from egoact.training.recipes import Recipe, choose_recipe

if TYPE_CHECKING:
    from egoact.core.annotations.anticipation import Anticipation
    from egoact.core.sampling import ClipSampling
    from egoact.training.machine import Machine


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

"""`egoact train`: from features and labels to a run directory."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.commands.learning.train_settings import TrainSettings, parse_options
from egoact.training.recipes import Recipe, with_larger_batches

if TYPE_CHECKING:
    from egoact.runs.recognizer import RecognizerConfig
    from egoact.training.data import TrainingData
    from egoact.training.run_folder import RunFolder


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
        from egoact.commands.learning.cross_validation import cross_validate

        cross_validate(settings, train)
    began = time.monotonic()
    data = _load_data(settings)
    recipe = _fit_to_device(settings, settings.chosen_recipe(len(data.training.table)), data)
    head = settings.chosen_head(recipe, (s.backbone.stream for s in data.store.specs))
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


def _fit_to_device(settings: TrainSettings, recipe: Recipe, data: "TrainingData") -> Recipe:
    """Larger batches where they cost nothing, unless flags say how large they are."""
    is_given = settings.batch_size is not None or settings.learning_rate is not None
    is_pooled = len(data.store.specs[0].backbone.feature_shape) == 1
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
    if anticipation is not None and any(w and w.sees_ahead for w in (spec.backbone.window for spec in store.specs)):
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
    backbone, *stacked = (spec.backbone for spec in data.store.specs)
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

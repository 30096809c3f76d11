"""Training a run: fit it, choose the weights, measure them, and write them down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from egoact.core.errors import ArtifactError
from egoact.core.metrics.calibration import fit_temperature
from egoact.core.metrics.imbalance import count_classes, split_by_frequency
from egoact.core.metrics.protocol import evaluate_scores
from egoact.models.backbones.own_files import carry
from egoact.models.classifier import ActionClassifier
from egoact.runs.features import score_rows
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.store.concatenation import own_weights
from egoact.training.data import Split, TrainingData, balanced_odds, finite_features, target_losses
from egoact.training.fusion_weights import search_weights
from egoact.training.history import curves
from egoact.training.loops.clips import Clips
from egoact.training.loops.loop import Loop, Member
from egoact.training.loops.steps import Fitted, NotFiniteError
from egoact.training.machine import Machine, few_threads, rank_and_size, working_recurrence
from egoact.training.recipes import Recipe
from egoact.training.ridge import fit_ridge
from egoact.training.run_folder import is_leader


@dataclass(frozen=True)
class Training:
    """One training, whose checkpoints, curves and models go into the directory `run`.

    Args:
        select: Which weights are the run's: those of the best epoch on validation data, or the last.
        seed: Of initial weights, shuffling and dropout.
        fusion_folds: Groups of recordings to search the weights of late fusion on; 0: they are learned.
    """

    config: RecognizerConfig
    recipe: Recipe
    data: TrainingData
    run: Path
    machine: Machine
    select: Literal["best", "last"]
    seed: int
    fusion_folds: int = 0

    def build(self) -> ActionClassifier:
        """The model before it has learned anything."""
        torch.manual_seed(self.seed)
        return self.config.build()

    def fit(self, model: ActionClassifier) -> Fitted:
        """Train to the end, going on from the last checkpoint if there is one.

        Raises:
            ArtifactError: Features, or a loss, that are not finite.
        """
        return fit_together([self], [model])[0]

    def chosen(self, fitted: Fitted) -> ActionClassifier:
        """The model that `select` asks for; without validation, the last."""
        return fitted.last if fitted.best is None or self.select == "last" else fitted.best

    def measure(self, model: ActionClassifier) -> dict[str, Any]:
        """Metrics on the validation clips; empty without any."""
        if self.data.validation is None:
            return {}
        tail, head = split_by_frequency(self.config.vocabularies, self.config.training_counts)
        scores = score_rows(Recognizer(self.config, model), self.data.store, self.data.validation.rows)
        return evaluate_scores(scores, self.data.validation.labels, tail=tail, head=head)  # pyrefly: ignore[bad-argument-type]

    def save(self, fitted: Fitted) -> None:
        """Write the models; the chosen one's configuration comes last, and says that the run is finished."""
        validation = () if self.data.validation is None else self.data.validation.table
        own = own_weights(self.data.store)
        runs = {name: self._calibrated(model) for name, model in fitted.models.items()}
        parts = [] if fitted.best is None else [(self.run / name, name, run) for name, run in runs.items()]
        chosen = "only" if fitted.best is None else self.select
        for folder, name, run in (*parts, (self.run, chosen, runs[chosen])):
            Provenance.of(self.data.training.table, validation if name == "best" else ()).write(folder)
            carry(own, folder)
            run.save(folder)

    def _calibrated(self, model: ActionClassifier) -> Recognizer:
        """A run of the model that is as sure of the validation clips as it is right; without any, as it is."""
        if self.data.validation is None:
            return Recognizer(self.config, model)
        logits = score_rows(Recognizer(self.config, model), self.data.store, self.data.validation.rows)
        labels = self.data.validation.labels
        temperature = {str(target): fit_temperature(logits[target], ids) for target, ids in labels.items()}
        return Recognizer(replace(self.config, temperature=temperature), model)

    def weigh_stores(self, fitted: Fitted) -> None:
        """Late fusion with weights that are searched on training recordings left out in turn."""

        def train(data: TrainingData, number: int) -> ActionClassifier:
            run = self.run / "fusion_folds" / str(number)
            inner = replace(self, data=data, run=run, select="last", fusion_folds=0)
            return inner.fit(inner.build()).last

        labels = self.data.classifier_labels(self.config.pairs)
        found = search_weights(self.data, labels, train, num_folds=self.fusion_folds, seed=self.seed)
        names = [spec.title for spec in self.config.backbones]
        for target, shares in found.items():
            said = ", ".join(f"{name} {share:.1f}" for name, share in zip(names, shares, strict=True))
            print(f"{target}, weights chosen by leaving out recordings: {said}")
            for model in fitted.models.values():
                model.classifiers[target].set_weights(shares)  # pyrefly: ignore[not-callable]

    def fit_in_closed_form(self, model: ActionClassifier) -> Fitted:
        """By `ridge`."""
        clips = self.data.training
        choice = fit_ridge(
            model,
            finite_features(self.data.store, clips),
            self.data.classifier_labels(self.config.pairs),
            [segment.video_id for segment in clips.table],
            num_channels=self.config.num_channels,
        )
        said = [f"penalty {choice.penalty:g}"]
        if len(choice.weights) > 1:
            names = [spec.stream for spec in self.config.backbones]
            said += [f"{name} {weight:.2f}" for name, weight in zip(names, choice.weights, strict=True)]
        print(f"chosen by leaving out recordings: {', '.join(said)}")
        return Fitted(model, None)

    def prepare_retraining(self, model: ActionClassifier) -> Recipe:
        """Classifier re-training (cRT): new classifiers on the frozen head, every class drawn equally often.

        Source: Decoupling Representation and Classifier for Long-Tailed Recognition, Kang et al. 2020,
        arXiv:1910.09217.
        """
        if not any(True for _ in model.head.parameters()) and is_leader():
            print(f"head {self.config.head} has no parameters: re-training its classifiers is a training from zero")
        torch.manual_seed(self.seed)
        model.freeze_head()
        return replace(
            self.recipe,
            epochs=self.recipe.retrain_epochs,
            retrain_epochs=0,
            loss="cross_entropy",
            class_weights="none",
            class_balanced_sampling=True,
        )


def fit_together(
    trainings: Sequence[Training], models: Sequence[ActionClassifier], *, until: float = 1.0
) -> list[Fitted]:
    """Train side by side what differs in nothing but seed and run directory; see `loop`.

    After a share of `until` of the epochs it stops with nothing to give; whoever asks again goes on from there.

    Raises:
        ArtifactError: Features, or a loss, that are not finite.
    """
    first = trainings[0]
    for model in models:
        model.observe(finite_features(first.data.store, first.data.training))
    if first.recipe.solver == "ridge":
        return [first.fit_in_closed_form(models[0])]
    fitted = _fit(trainings, models, first.recipe, until=until)
    if until < 1:
        return []
    if first.recipe.retrain_epochs:
        chosen = [training.chosen(each) for training, each in zip(trainings, fitted, strict=True)]
        recipes = [training.prepare_retraining(model) for training, model in zip(trainings, chosen, strict=True)]
        fitted = _fit(trainings, chosen, recipes[0], phase="classifiers")
    if first.fusion_folds:
        for training, each in zip(trainings, fitted, strict=True):
            training.weigh_stores(each)
    return fitted


def _fit(
    trainings: Sequence[Training],
    models: Sequence[ActionClassifier],
    recipe: Recipe,
    *,
    phase: str = "",
    until: float = 1.0,
) -> list[Fitted]:
    first = trainings[0]
    first.machine.meet()
    device, data, is_first = first.machine.torch_device(), first.data, not rank_and_size()[0]
    models = [model.to(device) for model in models]
    # What nothing changes is computed once: of several trainings only if it is the same for all.
    head = models[0].head
    is_same = not any(p.requires_grad if len(models) == 1 else True for p in head.parameters())
    embed = head.eval() if is_same and not recipe.mixup else None

    def hold(split: Split, labels: Mapping[str, np.ndarray]) -> Clips:
        return Clips(data.store, split.rows, labels, device=device, embed=embed)

    labels = data.classifier_labels(first.config.pairs)
    counts = {target: count_classes(labels[target], num_classes=n) for target, n in first.config.sizes.items()}
    history = f"history{phase and '_'}{phase}.csv"
    loop = Loop(
        [Member(model, t.seed, t.run / history) for model, t in zip(models, trainings, strict=True)],
        {target: loss.to(device) for target, loss in target_losses(recipe, counts).items()},
        recipe,
        hold(data.training, labels),
        None if data.validation is None else hold(data.validation, data.validation.labels),  # pyrefly: ignore[bad-argument-type]
        odds=balanced_odds(data.training.labels) if recipe.class_balanced_sampling else None,
        checkpoint=first.run / "checkpoints" / phase / "last.ckpt",
        is_half=first.machine.precision == "bf16",
    )
    try:
        with (
            few_threads(pooled=head.kind == "pooled"),
            working_recurrence(first.machine.precision),
            curves([training.run / "tensorboard" / phase for training in trainings if is_first]) as writers,
        ):
            return loop.run(phase or "train", writers=writers, until=until)
    except NotFiniteError as error:
        names = [data.training.table[i].narration_id for i in error.positions[:3]]
        raise ArtifactError(
            f"{error} (segments {', '.join(names)}, ...); use a smaller --learning-rate or --gradient-clip 1",
            path=first.run,
        ) from error

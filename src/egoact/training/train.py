"""Training a run: fit it, choose the weights, measure them, and write them down."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
from egoact.store.batches import ClipBatches
from egoact.store.concatenation import own_weights
from egoact.training.data import TrainingData, balanced_odds, finite_features, plain_batches, target_losses
from egoact.training.fitted import Fitted, NotFiniteError
from egoact.training.fusion_weights import search_weights
from egoact.training.machine import Machine
from egoact.training.recipes import Recipe
from egoact.training.ridge import fit_ridge
from egoact.training.run_folder import is_leader

if TYPE_CHECKING:
    from egoact.training.learner import Learner


@dataclass(frozen=True)
class Training:
    """One training.

    Args:
        config: Of the run.
        recipe: Hyperparameters.
        data: Clips and labels.
        run: Run directory, for checkpoints, curves and models.
        machine: Where to train.
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
        model.observe(finite_features(self.data.store, self.data.training))
        if self.recipe.solver == "ridge":
            return self._fit_in_closed_form(model)
        fitted = self._fit(model, self.recipe)
        fitted = self._retrain(self.chosen(fitted)) if self.recipe.retrain_epochs else fitted
        if self.fusion_folds:
            self._weigh_stores(fitted)
        return fitted

    def chosen(self, fitted: Fitted) -> ActionClassifier:
        """The model that `select` asks for; without validation, the last."""
        return fitted.last if fitted.best is None or self.select == "last" else fitted.best

    def measure(self, model: ActionClassifier) -> dict[str, Any]:
        """Metrics on the validation clips; empty without any."""
        if self.data.validation is None:
            return {}
        tail, head = split_by_frequency(self.config.vocabularies, self.config.training_counts)
        scores = score_rows(Recognizer(self.config, model), self.data.store, self.data.validation.rows)
        return evaluate_scores(scores, self.data.validation.labels, tail=tail, head=head)  # type: ignore[arg-type]

    def save(self, fitted: Fitted) -> None:
        """Write the models; the chosen one's configuration comes last, and says that the run is finished."""
        validation = () if self.data.validation is None else self.data.validation.table
        own = own_weights(self.data.store)
        if fitted.best is not None:
            for name, model in (("best", fitted.best), ("last", fitted.last)):
                chosen_on = validation if name == "best" else ()
                Provenance.of(self.data.training.table, chosen_on).write(self.run / name)
                carry(own, self.run / name)
                self._calibrated(model).save(self.run / name)
        chosen_on = validation if self.select == "best" else ()
        Provenance.of(self.data.training.table, chosen_on).write(self.run)
        carry(own, self.run)
        self._calibrated(self.chosen(fitted)).save(self.run)

    def _calibrated(self, model: ActionClassifier) -> Recognizer:
        """A run of the model that is as sure of the validation clips as it is right; without any, as it is."""
        if self.data.validation is None:
            return Recognizer(self.config, model)
        logits = score_rows(Recognizer(self.config, model), self.data.store, self.data.validation.rows)
        labels = self.data.validation.labels
        temperature = {str(target): fit_temperature(logits[target], ids) for target, ids in labels.items()}
        return Recognizer(replace(self.config, temperature=temperature), model)

    def _weigh_stores(self, fitted: Fitted) -> None:
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
                model.classifiers[target].set_weights(shares)  # type: ignore[operator]

    def _fit_in_closed_form(self, model: ActionClassifier) -> Fitted:
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

    def _fit(self, model: ActionClassifier, recipe: Recipe, *, phase: str = "") -> Fitted:
        from egoact.training.fit import fit  # not before a loop is wanted: Lightning takes longer than ridge does
        from egoact.training.learner import Learner

        labels = self.data.classifier_labels(self.config.pairs)
        counts = {target: count_classes(labels[target], num_classes=n) for target, n in self.config.sizes.items()}
        learner = Learner(model, target_losses(recipe, counts), recipe, seed=self.seed)
        batches = self._batches(learner, recipe, labels)
        validation = None if self.data.validation is None else plain_batches(self.data.store, self.data.validation)
        try:
            return fit(learner, batches, validation, run=self.run, phase=phase, machine=self.machine)
        except NotFiniteError as error:
            names = [self.data.training.table[i].narration_id for i in error.positions[:3]]
            raise ArtifactError(
                f"{error} (segments {', '.join(names)}, ...); use a smaller --learning-rate or --gradient-clip 1",
                path=self.run,
            ) from error

    def _batches(self, learner: "Learner", recipe: Recipe, labels: dict[str, np.ndarray]) -> ClipBatches:
        """Shuffled training batches, in another order each epoch."""
        return ClipBatches(
            self.data.store,
            self.data.training.rows,
            labels,
            batch_size=recipe.batch_size,
            seed=self.seed,
            shuffle=True,
            weights=balanced_odds(self.data.training.labels) if recipe.class_balanced_sampling else None,
            epoch=lambda: learner.current_epoch,
        )

    def _retrain(self, model: ActionClassifier) -> Fitted:
        """Classifier re-training (cRT): new classifiers on the frozen head, every class drawn equally often.

        Source: Decoupling Representation and Classifier for Long-Tailed Recognition, Kang et al. 2020,
        arXiv:1910.09217.
        """
        if not any(True for _ in model.head.parameters()) and is_leader():
            print(f"head {self.config.head} has no parameters: re-training its classifiers is a training from zero")
        torch.manual_seed(self.seed)
        model.freeze_head()
        balanced = replace(
            self.recipe,
            epochs=self.recipe.retrain_epochs,
            retrain_epochs=0,
            loss="cross_entropy",
            class_weights="none",
            class_balanced_sampling=True,
        )
        return self._fit(model, balanced, phase="classifiers")

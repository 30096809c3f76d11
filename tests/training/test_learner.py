import copy
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.store.batches import Batch
from egoact.training.loops.fitted import NotFiniteError
from egoact.training.loops.learner import Learner
from egoact.training.losses import TargetLoss
from egoact.training.recipes import RECIPES, Recipe, choose_recipe

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*have no `val_dataloader`.*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated.*"),
]
CLASSES = {"verb": 3, "noun": 2}
PLAIN = Recipe(epochs=4, batch_size=8, learning_rate=0.01, dropout=0.0)


def clips(num: int = 40, *, seed: int = 0) -> Batch:
    """Clips whose first three features tell the verb, and the fourth the noun."""
    generator = torch.Generator().manual_seed(seed)
    labels = {target: torch.randint(n, (num,), generator=generator) for target, n in CLASSES.items()}
    features = torch.randn(num, 6, 5, generator=generator) * 0.5
    features[range(num), :, labels["verb"]] += 2
    features[:, :, 3] += 3 * labels["noun"][:, None]
    return Batch(features.half(), labels, torch.arange(num) + 100)


class Batches:
    """Pieces of some clips, in the same order every epoch."""

    def __init__(self, whole: Batch, batch_size: int) -> None:
        self.parts = [
            Batch(whole.features[s], {t: v[s] for t, v in whole.labels.items()}, whole.positions[s])
            for s in (slice(i, i + batch_size) for i in range(0, len(whole), batch_size))
        ]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.parts)


def learner_for(recipe: Recipe = PLAIN, *, head: str = "tcn", seed: int = 0, smoothing: float = 0.0) -> Learner:
    torch.manual_seed(5)
    options = {"width": 8, "num_blocks": 2, "dropout": 0.0} if head == "tcn" else {}
    model = ActionClassifier(
        build_head(head, feature_shape=(5,), num_frames=6, **options), num_classes=CLASSES, dropout=recipe.dropout
    )
    losses = {t: TargetLoss(class_counts=torch.ones(n), label_smoothing=smoothing) for t, n in CLASSES.items()}
    return Learner(model, losses, recipe, seed=seed)


def fit(
    learner: Learner,
    batches: Any,
    *,
    validation: Any = None,
    callbacks: tuple[lightning.Callback, ...] = (),
    resume: Path | None = None,
    epochs: int | None = None,
) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs or learner.recipe.epochs,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(learner, batches, validation, ckpt_path=resume, weights_only=None if resume is None else True)
    return trainer


def state(learner: Learner) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in learner.state_dict().items()}


def same(one: Learner, other: Learner) -> bool:
    return all(torch.equal(a, b) for a, b in zip(state(one).values(), state(other).values(), strict=True))


class Record(lightning.Callback):
    """What is measured after each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def test_it_learns_what_can_be_learned() -> None:
    learner, record = learner_for(PLAIN), Record()
    fit(learner, Batches(clips(), 8), validation=Batches(clips(seed=1), 16), callbacks=(record,), epochs=15)
    first, last = record.epochs[0], record.epochs[-1]
    assert last["validation_loss"] < 0.3 * first["validation_loss"]
    assert last["validation_top1"] > 90
    assert last["validation_top1"] <= min(last["validation_verb_top1"], last["validation_noun_top1"])


def test_what_is_logged_is_measured_over_all_clips_of_the_split() -> None:
    """13 clips in batches of 5: the mean over clips is not the mean over batches."""
    learner, record, whole = learner_for(PLAIN, smoothing=0.1), Record(), clips(13, seed=2)
    fit(learner, Batches(clips(), 8), validation=Batches(whole, 5), callbacks=(record,), epochs=1)
    model = learner.model.eval()
    with torch.no_grad():
        logits = model(whole.features.float())
    right = {target: logits[target].argmax(1) == whole.labels[target] for target in CLASSES}
    loss = sum(float(learner.losses[target](logits[target], whole.labels[target])) for target in CLASSES)
    (found,) = record.epochs
    assert found["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert found["validation_verb_top1"] == pytest.approx(100 * float(right["verb"].float().mean()), rel=1e-4)
    assert found["validation_noun_top1"] == pytest.approx(100 * float(right["noun"].float().mean()), rel=1e-4)
    both = (right["verb"] & right["noun"]).float().mean()
    assert found["validation_top1"] == pytest.approx(100 * float(both), rel=1e-4)
    assert 0 < both < 1, "proves nothing"


def test_the_loss_of_training_is_the_mean_over_clips_and_starts_anew_each_epoch() -> None:
    frozen = Recipe(epochs=3, batch_size=8, learning_rate=1e-12, dropout=0.0)
    learner, record, whole = learner_for(frozen, head="average"), Record(), clips(11)
    fit(learner, Batches(whole, 4), callbacks=(record,))
    expected = np.log(3) + np.log(2)  # a linear model starts at zero
    losses = [float(values) for epoch in record.epochs for name, values in epoch.items() if name == "train_loss"]
    assert losses and losses == pytest.approx([expected] * len(losses), rel=1e-5)


@pytest.mark.parametrize("change", [{}, {"dropout": 0.5}, {"mixup": 0.4, "dropout": 0.3}, {"ema": 0.9}])
def test_the_same_seed_gives_the_same_model_to_the_bit(change: dict[str, float]) -> None:
    recipe = Recipe(**{**vars(PLAIN), **change})
    one, other, third = learner_for(recipe, seed=1), learner_for(recipe, seed=1), learner_for(recipe, seed=2)
    fit(one, Batches(clips(), 8))
    torch.manual_seed(77)
    torch.rand(100)
    fit(other, Batches(clips(), 8))
    fit(third, Batches(clips(), 8))
    assert same(one, other)
    random = bool(change.keys() & {"dropout", "mixup"})
    assert same(one, third) != random, "the seed of the learner is that of dropout and mixup"


def test_every_epoch_draws_anew_and_depends_on_its_number_alone() -> None:
    learner = learner_for(seed=3)
    drawn = []
    for epoch in (0, 1, 2, 1):
        torch.rand(epoch + 5)
        learner.trainer = type("Trainer", (), {"current_epoch": epoch, "global_rank": 0})()
        learner.on_train_epoch_start()
        drawn.append(torch.rand(4).tolist())
    assert drawn[1] == drawn[3]
    assert len({tuple(values) for values in drawn}) == 3
    learner.trainer = type("Trainer", (), {"current_epoch": 1, "global_rank": 1})()
    learner.on_train_epoch_start()
    assert torch.rand(4).tolist() != drawn[1], "two processes draw the same dropout"


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_a_resumed_training_ends_as_an_unbroken_one(schedule: Any, tmp_path: Path) -> None:
    recipe = Recipe(
        epochs=6, batch_size=8, learning_rate=0.01, dropout=0.3, mixup=0.2, ema=0.8, weight_decay=0.1, schedule=schedule
    )
    whole = learner_for(recipe)
    fit(whole, Batches(clips(), 8))
    stopped = learner_for(recipe)
    trainer = fit(stopped, Batches(clips(), 8), epochs=3)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed = learner_for(recipe)
    torch.manual_seed(99)
    fit(resumed, Batches(clips(), 8), resume=tmp_path / "half.ckpt")
    assert not same(stopped, resumed)
    assert same(whole, resumed)


def test_the_learning_rate_follows_its_schedule() -> None:
    def rates(schedule: Any, epochs: int) -> list[float]:
        learner = learner_for(Recipe(epochs=epochs, batch_size=8, learning_rate=0.1, schedule=schedule), head="average")
        record = Record()
        fit(learner, Batches(clips(4), 4), callbacks=(record, Rates(found := [])))
        return found

    class Rates(lightning.Callback):
        def __init__(self, found: list[float]) -> None:
            self.found = found

        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            self.found.append(trainer.optimizers[0].param_groups[0]["lr"])

    assert rates("constant", 3) == [0.1] * 3
    cosine = rates("cosine", 4)
    assert cosine == pytest.approx([0.05 * (1 + np.cos(np.pi * e / 4)) for e in range(4)])
    step = rates("step", 76)  # the report: a fifth from epoch 35 on, every 20
    assert step == pytest.approx([0.1 * 0.2 ** sum(e >= at for at in (35, 55, 75)) for e in range(76)])


def test_only_weights_decay() -> None:
    learner = learner_for(Recipe(epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5, schedule="constant"))
    decayed, others = learner.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"]) and all(p.ndim <= 1 for p in others["params"])
    trainable = [p for p in learner.model.parameters() if p.requires_grad]
    assert len(decayed["params"]) + len(others["params"]) == len(trainable)


# Mixup.


def test_mixup_is_the_loss_of_mixed_clips_with_mixed_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, whole = learner_for(Recipe(**{**vars(PLAIN), "mixup": 0.4})), clips(6)
    learner.model.eval()
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(0.3))
    monkeypatch.setattr(torch, "randperm", lambda n, device: order)
    found = learner.training_step(whole, 0)
    features = whole.features.float()
    logits = learner.model(0.3 * features + 0.7 * features[order])
    expected = torch.tensor(0.0)
    for target, number in CLASSES.items():
        one_hot = nn.functional.one_hot(whole.labels[target], number).float()
        soft = 0.3 * one_hot + 0.7 * one_hot[order]
        expected = expected - (soft * logits[target].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(found, expected)


def test_mixup_draws_from_its_beta_and_leaves_a_single_clip_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_for(Recipe(**{**vars(PLAIN), "mixup": 0.4}))
    seen: list[float] = []
    sample = torch.distributions.Beta.sample

    def spy(self: torch.distributions.Beta) -> Tensor:
        seen.append(float(self.concentration0))
        assert self.concentration0 == self.concentration1
        return sample(self)

    monkeypatch.setattr(torch.distributions.Beta, "sample", spy)
    learner.model.eval()
    single = clips(1)
    plain = learner_for(PLAIN)
    plain.model.load_state_dict(learner.model.state_dict())
    plain.model.eval()
    torch.testing.assert_close(learner.training_step(single, 0), plain.training_step(single, 0))
    assert not seen
    learner.training_step(clips(4), 0)
    assert seen == pytest.approx([0.4])


# The moving average.


def test_the_average_is_what_is_validated_and_kept() -> None:
    learner = learner_for(Recipe(**{**vars(PLAIN), "ema": 0.99}))
    fit(learner, Batches(clips(), 8), epochs=2)
    assert learner.kept is learner.average and learner_for(PLAIN).kept is not None
    features = clips(5).features
    learner.eval()
    torch.testing.assert_close(learner(features), learner.average(features.float()))
    assert not torch.allclose(learner(features)["verb"], learner.model(features.float())["verb"])
    assert not any(p.requires_grad for p in learner.average.parameters())
    plain = learner_for(PLAIN)
    assert plain.average is None and plain.kept is plain.model


def test_the_average_follows_its_formula() -> None:
    learner = learner_for(Recipe(**{**vars(PLAIN), "ema": 0.3}), head="lstm")
    expected = copy.deepcopy(learner.model.state_dict())

    class Follow(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            steps = trainer.global_step
            decay = min(0.3, (1 + steps) / (10 + steps))
            for name, values in pl_module.model.state_dict().items():
                if values.dtype.is_floating_point:
                    expected[name] = decay * expected[name] + (1 - decay) * values
                else:
                    expected[name] = values.clone()

    fit(learner, Batches(clips(), 8), callbacks=(Follow(),))
    assert learner.average is not None
    for name, values in learner.average.state_dict().items():
        torch.testing.assert_close(values, expected[name], msg=name)


def test_a_validation_loss_that_is_not_finite_is_shown_and_ends_nothing() -> None:
    learner, record, validation = learner_for(), Record(), clips(6)
    validation.features[0] = float("nan")
    fit(learner, Batches(clips(), 8), validation=Batches(validation, 4), callbacks=(record,), epochs=1)
    assert np.isnan(record.epochs[0]["validation_loss"])


# A loss that is lost.


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_epoch_batch_and_clips(value: float) -> None:
    batches = Batches(clips(), 8)
    batches.parts[2].features[3, 0, 0] = value
    with pytest.raises(NotFiniteError, match=r"the loss became (nan|inf) in epoch 0, batch 2") as failure:
        fit(learner_for(), batches)
    assert failure.value.positions == list(range(116, 124))


def test_nothing_of_a_bad_batch_reaches_the_weights() -> None:
    learner, batches = learner_for(), Batches(clips(), 40)
    batches.parts[0].features[0] = float("nan")
    before = state(learner)
    with pytest.raises(NotFiniteError):
        fit(learner, batches)
    for name, values in learner.model.named_parameters():
        torch.testing.assert_close(values, before[f"model.{name}"])


# Recipes.


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_can_be_had_by_name_and_changed(name: str) -> None:
    assert choose_recipe(name) == RECIPES[name]
    changed = choose_recipe(name, epochs=3, dropout=None, mixup=0.0)
    assert changed.epochs == 3
    assert changed.dropout == RECIPES[name].dropout, "None is no change"


def test_the_recipe_of_the_report() -> None:
    report = RECIPES["report"]
    assert (report.learning_rate, report.batch_size, report.dropout, report.epochs) == (1e-3, 32, 0.5, 100)
    assert (report.schedule, report.loss, report.weight_decay, report.label_smoothing) == (
        "step",
        "cross_entropy",
        0,
        0,
    )


def test_without_weight_decay_the_optimizer_is_the_adam_of_the_report() -> None:
    learner = learner_for(RECIPES["report"])
    optimizer = learner.configure_optimizers()["optimizer"]
    parameters = [p for p in learner.model.parameters() if p.requires_grad]
    copies = [p.detach().clone().requires_grad_() for p in parameters]
    adam = torch.optim.Adam(copies, lr=1e-3)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        for one, other in zip(parameters, copies, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        optimizer.step()
        adam.step()
    for one, other in zip(parameters, copies, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: choose_recipe("slow"), r"unknown recipe 'slow'; there are " + ", ".join(RECIPES)),
        (lambda: choose_recipe("default", momentum=0.9), r"a recipe has no field 'momentum'"),
        (lambda: choose_recipe("default", epochs=0), "epochs must be at least 1, got 0"),
        (lambda: choose_recipe("default", batch_size=-3), "batch_size must be at least 1"),
        (lambda: choose_recipe("default", epochs=2.5), "epochs must be a whole number"),
        (lambda: choose_recipe("default", patience=-1), "patience must be at least 0"),
        (lambda: choose_recipe("default", retrain_epochs=-1), "retrain_epochs must be at least 0"),
        (lambda: choose_recipe("default", learning_rate=0), "learning_rate must be positive"),
        (lambda: choose_recipe("default", learning_rate=float("nan")), "learning_rate must be positive"),
        (lambda: choose_recipe("default", dropout=1.0), r"dropout must be in \[0, 1\)"),
        (lambda: choose_recipe("default", ema=-0.1), r"ema must be in \[0, 1\)"),
        (lambda: choose_recipe("default", weight_decay=float("inf")), "weight_decay must not be"),
        (lambda: choose_recipe("default", mixup=-1), "mixup must not be negative"),
        (lambda: choose_recipe("default", schedule="linear"), "schedule must be one of constant, step, cosine"),
        (lambda: choose_recipe("default", loss="hinge"), "loss must be one of cross_entropy, focal"),
        (lambda: choose_recipe("default", class_weights="log"), "class_weights must be one of none, inverse"),
    ],
)
def test_impossible_recipes_are_refused(make: Callable[[], Recipe], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()

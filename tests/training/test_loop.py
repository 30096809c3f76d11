"""The loop that trains, on clips in memory: what it learns, measures, keeps and refuses; and recipes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.training.adamw import AdamW
from egoact.training.loops import clips as clips_module
from egoact.training.loops.clips import Clips, shuffled
from egoact.training.loops.loop import Loop, Member
from egoact.training.loops.steps import Fitted, NotFiniteError
from egoact.training.losses import TargetLoss
from egoact.training.recipes import RECIPES, Recipe, choose_recipe
from tests.makers.data.features import other_spec

pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES = {"verb": 3, "noun": 2}
PLAIN = Recipe(epochs=4, batch_size=8, learning_rate=0.01, dropout=0.0)
SPEC = other_spec(feature_shape=(5,))


class Memory:
    """Clips whose first three features tell the verb, and the fourth the noun."""

    path, specs = Path("memory"), (SPEC,)

    def __init__(self, num: int = 40, *, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = {target: torch.randint(n, (num,), generator=generator).numpy() for target, n in CLASSES.items()}
        features = torch.randn(num, 6, 5, generator=generator) * 0.5
        features[range(num), :, self.labels["verb"]] += 2
        features[:, :, 3] += 3 * torch.from_numpy(self.labels["noun"])[:, None]
        self.features = features.half().numpy()

    @property
    def rows(self) -> np.ndarray:
        return np.arange(len(self.features))[:, None, None].repeat(6, 2)

    def gather(self, rows: np.ndarray, *, views: np.ndarray) -> np.ndarray:
        return self.features[rows[:, 0, 0]]

    def clips(self) -> Clips:
        return Clips(self, self.rows, self.labels, device=torch.device("cpu"))  # type: ignore[arg-type]


def model_for(recipe: Recipe = PLAIN, *, head: str = "tcn") -> ActionClassifier:
    torch.manual_seed(5)
    options = {"width": 8, "num_blocks": 2, "dropout": 0.0} if head == "tcn" else {}
    return ActionClassifier(
        build_head(head, feature_shape=(5,), num_frames=6, **options), num_classes=CLASSES, dropout=recipe.dropout
    )


def loop_for(
    folder: Path,
    recipe: Recipe = PLAIN,
    *,
    training: Memory | None = None,
    validation: Memory | None = None,
    head: str = "tcn",
    seed: int = 0,
    smoothing: float = 0.0,
) -> Loop:
    losses = {t: TargetLoss(class_counts=torch.ones(n), label_smoothing=smoothing) for t, n in CLASSES.items()}
    return Loop(
        [Member(model_for(recipe, head=head), seed, folder / "history.csv")],
        losses,
        recipe,
        (training or Memory()).clips(),
        None if validation is None else validation.clips(),
        odds=None,
        checkpoint=folder / "last.ckpt",
        is_half=False,
    )


def fit(folder: Path, recipe: Recipe = PLAIN, **options: Any) -> tuple[Fitted, list[dict[str, float]]]:
    """What it ends with, and what is measured after each epoch."""
    loop = loop_for(folder, recipe, **options)
    return loop.run("train")[0], loop.members[0].rows


def same(one: Fitted, other: Fitted) -> bool:
    return all(map(torch.equal, one.last.state_dict().values(), other.last.state_dict().values()))


def tensors(whole: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {target: torch.from_numpy(values) for target, values in whole.items()}


def test_it_learns_what_can_be_learned(tmp_path: Path) -> None:
    _, rows = fit(tmp_path, Recipe(**{**vars(PLAIN), "epochs": 15}), validation=Memory(seed=1))
    first, last = rows[0], rows[-1]
    assert last["validation_loss"] < 0.3 * first["validation_loss"]
    assert last["validation_top1"] > 90
    assert last["validation_top1"] <= min(last["validation_verb_top1"], last["validation_noun_top1"])


def test_what_is_logged_is_measured_over_all_clips_of_the_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """13 clips in batches of 5: the mean over clips is not the mean over batches."""
    monkeypatch.setattr(clips_module, "clips_at_once", lambda *_: 5)
    whole, recipe = Memory(13, seed=2), Recipe(**{**vars(PLAIN), "epochs": 1})
    loop = loop_for(tmp_path, recipe, validation=whole, smoothing=0.1)
    model, labels = loop.run("train")[0].last.eval(), tensors(whole.labels)
    with torch.no_grad():
        logits = model(torch.from_numpy(whole.features).float())
    right = {target: logits[target].argmax(1) == labels[target] for target in CLASSES}
    loss = sum(float(loop.losses[target](logits[target], labels[target])) for target in CLASSES)
    (found,) = loop.members[0].rows
    assert found["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert found["validation_verb_top1"] == pytest.approx(100 * float(right["verb"].float().mean()), rel=1e-4)
    assert found["validation_noun_top1"] == pytest.approx(100 * float(right["noun"].float().mean()), rel=1e-4)
    both = (right["verb"] & right["noun"]).float().mean()
    assert found["validation_top1"] == pytest.approx(100 * float(both), rel=1e-4)
    assert 0 < both < 1, "proves nothing"


def test_the_loss_of_training_is_the_mean_over_clips_and_starts_anew_each_epoch(tmp_path: Path) -> None:
    frozen = Recipe(epochs=3, batch_size=4, learning_rate=1e-12, dropout=0.0)
    _, rows = fit(tmp_path, frozen, head="average", training=Memory(11))
    expected = np.log(3) + np.log(2)  # a linear model starts at zero
    assert [row["train_loss"] for row in rows] == pytest.approx([expected] * 3, rel=1e-5)


@pytest.mark.parametrize("change", [{}, {"dropout": 0.5}, {"mixup": 0.4, "dropout": 0.3}, {"ema": 0.9}])
def test_the_same_seed_gives_the_same_model_to_the_bit(change: dict[str, float], tmp_path: Path) -> None:
    recipe = Recipe(**{**vars(PLAIN), **change})
    one, _ = fit(tmp_path / "one", recipe, seed=1)
    np.random.seed(77)
    other, _ = fit(tmp_path / "other", recipe, seed=1)
    third, _ = fit(tmp_path / "third", recipe, seed=2)
    assert same(one, other)
    assert not same(one, third), "the seed is that of the order, dropout and mixup"


def test_every_epoch_draws_anew_and_depends_on_its_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[float]] = []
    loss = Loop._loss

    def draw(self: Loop, *given: Any) -> Tensor:
        drawn.append(torch.rand(4).tolist())
        return loss(self, *given)

    monkeypatch.setattr(Loop, "_loss", draw)
    loop = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "batch_size": 40}), seed=3)
    for loop._epoch, loop._rank in ((0, 0), (1, 0), (2, 0), (1, 0), (1, 1)):
        torch.rand(loop._epoch + 5)
        loop._train()
    assert drawn[1] == drawn[3]
    assert len({tuple(values) for values in drawn[:3]}) == 3
    assert drawn[4] != drawn[1], "two processes draw the same dropout"


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_a_resumed_training_ends_as_an_unbroken_one(schedule: Any, tmp_path: Path) -> None:
    recipe = Recipe(
        epochs=6, batch_size=8, learning_rate=0.01, dropout=0.3, mixup=0.2, ema=0.8, weight_decay=0.1, schedule=schedule
    )
    whole, _ = fit(tmp_path / "whole", recipe)
    stopped = loop_for(tmp_path / "broken", recipe).run("train", until=0.5)[0]
    torch.manual_seed(99)
    resumed, rows = fit(tmp_path / "broken", recipe)
    assert not same(stopped, resumed)
    assert same(whole, resumed) and len(rows) == 6


def test_the_learning_rate_follows_its_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    monkeypatch.setattr(AdamW, "step", lambda self, rate: found.append(rate))

    def rates(schedule: Any, epochs: int) -> list[float]:
        found.clear()
        recipe = Recipe(epochs=epochs, batch_size=8, learning_rate=0.1, schedule=schedule)
        fit(tmp_path / schedule, recipe, head="average", training=Memory(4))
        return list(found)

    assert rates("constant", 3) == [0.1] * 3
    cosine = rates("cosine", 4)
    assert cosine == pytest.approx([0.05 * (1 + np.cos(np.pi * e / 4)) for e in range(4)])
    step = rates("step", 76)  # the report: a fifth from epoch 35 on, every 20
    assert step == pytest.approx([0.1 * 0.2 ** sum(e >= at for at in (35, 55, 75)) for e in range(76)])


def test_only_weights_decay(tmp_path: Path) -> None:
    loop = loop_for(tmp_path, Recipe(epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5))
    (weights, decay), (others, none) = loop._optimizer._groups  # of all models in one tensor, this one the only
    assert (decay, none) == (0.5, 0.0)
    assert all(p[0].ndim > 1 for p, *_ in weights) and all(p[0].ndim <= 1 for p, *_ in others)
    assert len(weights) + len(others) == len([p for p in loop.members[0].model.parameters() if p.requires_grad])


# Mixup.


def loss_of(loop: Loop, whole: Memory) -> Tensor:
    features = torch.from_numpy(whole.features).float()
    return loop._loss(loop.members[0].model.eval(), features, tensors(whole.labels))


def test_mixup_is_the_loss_of_mixed_clips_with_mixed_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, whole = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "mixup": 0.4})), Memory(6)
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(0.3))
    monkeypatch.setattr(torch, "randperm", lambda n, device: order)
    found = loss_of(loop, whole)
    features, labels = torch.from_numpy(whole.features).float(), tensors(whole.labels)
    logits = loop.members[0].model(0.3 * features + 0.7 * features[order])
    expected = torch.tensor(0.0)
    for target, number in CLASSES.items():
        one_hot = nn.functional.one_hot(labels[target], number).float()
        soft = 0.3 * one_hot + 0.7 * one_hot[order]
        expected = expected - (soft * logits[target].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(found, expected)


def test_mixup_draws_from_its_beta_and_leaves_a_single_clip_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    sample = torch.distributions.Beta.sample

    def spy(self: torch.distributions.Beta) -> Tensor:
        seen.append(float(self.concentration0))
        assert self.concentration0 == self.concentration1
        return sample(self)

    monkeypatch.setattr(torch.distributions.Beta, "sample", spy)
    mixed, plain = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "mixup": 0.4})), loop_for(tmp_path)
    torch.testing.assert_close(loss_of(mixed, Memory(1)), loss_of(plain, Memory(1)))
    assert not seen
    loss_of(mixed, Memory(4))
    assert seen == pytest.approx([0.4])


# The moving average.


def test_the_average_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    whole = Memory(13, seed=2)
    loop = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "ema": 0.99, "epochs": 2}), validation=whole)
    kept, trained = loop.run("train")[0].last.eval(), loop.members[0].model.eval()
    features, labels = torch.from_numpy(whole.features).float(), tensors(whole.labels)
    with torch.no_grad():
        losses = [sum(float(loop.losses[t](m(features)[t], labels[t])) for t in CLASSES) for m in (kept, trained)]
    assert loop.members[0].rows[-1]["validation_loss"] == pytest.approx(losses[0], rel=1e-5)
    assert losses[1] != pytest.approx(losses[0], rel=1e-3), "proves nothing"
    assert loop._averages is not None and not any(p.requires_grad for p in loop._averages[0].parameters())
    assert loop_for(tmp_path / "plain")._averages is None


def test_the_average_follows_its_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "ema": 0.3}), head="lstm")
    model = loop.members[0].model
    expected = {name: values.clone() for name, values in model.state_dict().items()}
    original, steps = AdamW.step, 0

    def step(self: AdamW, rate: float) -> None:
        nonlocal steps
        original(self, rate)
        steps += 1
        decay = min(0.3, (1 + steps) / (10 + steps))
        for name, values in model.state_dict().items():
            if values.dtype.is_floating_point:
                expected[name] = decay * expected[name] + (1 - decay) * values
            else:
                expected[name] = values.clone()

    monkeypatch.setattr(AdamW, "step", step)
    for name, values in loop.run("train")[0].last.state_dict().items():
        torch.testing.assert_close(values, expected[name], msg=name)


def test_a_validation_loss_that_is_not_finite_is_shown_and_ends_nothing(tmp_path: Path) -> None:
    validation = Memory(6)
    validation.features[0] = float("nan")
    _, rows = fit(tmp_path, validation=validation)
    assert np.isnan(rows[-1]["validation_loss"]) and len(rows) == 4


# A loss that is lost.


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_epoch_batch_and_clips(value: float, tmp_path: Path) -> None:
    whole = Memory()
    positions, _ = shuffled(whole.rows, batch_size=8, seed=0, epoch=0)[2]
    whole.features[positions[3], 0, 0] = value
    with pytest.raises(NotFiniteError, match=r"the loss became (nan|inf) in epoch 0, batch 2") as failure:
        fit(tmp_path, training=whole)
    assert failure.value.positions == positions.tolist()


def test_nothing_of_a_bad_batch_reaches_the_weights(tmp_path: Path) -> None:
    whole = Memory()
    whole.features[0] = float("nan")
    loop = loop_for(tmp_path, Recipe(**{**vars(PLAIN), "batch_size": 40}), training=whole)
    before = {name: values.clone() for name, values in loop.members[0].model.state_dict().items()}
    with pytest.raises(NotFiniteError):
        loop.run("train")
    for name, values in loop.members[0].model.named_parameters():
        torch.testing.assert_close(values, before[name])


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
    assert RECIPES["report"].weight_decay == 0
    parameters = [values for values in model_for().parameters()]
    copies = [p.detach().clone().requires_grad_() for p in parameters]
    optimizer, adam = AdamW(parameters, [], weight_decay=0.0, is_fused=True), torch.optim.Adam(copies, lr=1e-3)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        for one, other in zip(parameters, copies, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        optimizer.step(1e-3)
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

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from egoact.core.metrics.imbalance import CLASS_WEIGHTS
from egoact.training import losses
from egoact.training.losses import TargetLoss
from egoact.training.recipes import LOSSES

COUNTS = torch.tensor([500, 60, 9, 1, 0])
WEIGHTS = torch.tensor([0.1, 0.4, 1.5, 3.0, 0.0])


def batch(seed: int = 0, size: int = 13) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 5, generator=generator) * 3, torch.randint(5, (size,), generator=generator)


def log_softmax(rows: np.ndarray) -> np.ndarray:
    return np.array([row - np.log(np.sum(np.exp(row))) for row in rows])


def naive(
    logits: Tensor,
    labels: Tensor,
    *,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    gamma: float = 0.0,
    shift: np.ndarray | float = 0.0,
) -> float:
    """The formulas, clip by clip and class by class."""
    w = np.ones(5) if weights is None else weights.double().numpy()
    plain = log_softmax(logits.double().numpy())
    shifted = log_softmax(logits.double().numpy() + shift)
    total, share = 0.0, 0.0
    for b, y in enumerate(labels.tolist()):
        each = 0.0
        for k in range(5):
            target = smoothing / 5 + (1 - smoothing) * (k == y)
            each -= w[k] * target * shifted[b, k]
        total += each * (1 - np.exp(plain[b, y])) ** gamma
        share += w[y]
    return total / share


def log_prior() -> np.ndarray:
    counts = np.maximum(COUNTS.double().numpy(), 0.5)
    return np.log(counts / counts.sum())


CASES = {
    "plain": ({}, {}),
    "weights": ({"class_weights": WEIGHTS}, {"weights": WEIGHTS}),
    "smoothing": ({"label_smoothing": 0.2}, {"smoothing": 0.2}),
    "both": ({"class_weights": WEIGHTS, "label_smoothing": 0.1}, {"weights": WEIGHTS, "smoothing": 0.1}),
    "focal": ({"name": "focal"}, {"gamma": 2.0}),
    "focal 0.5": ({"name": "focal"}, {"gamma": 0.5}),
    "focal, weights": (
        {"name": "focal", "class_weights": WEIGHTS, "label_smoothing": 0.1},
        {"gamma": 2.0, "weights": WEIGHTS, "smoothing": 0.1},
    ),
    "balanced": ({"name": "balanced_softmax"}, {"shift": log_prior()}),
    "balanced ignores tau": ({"name": "balanced_softmax", "temperature": 3.0}, {"shift": log_prior()}),
    "adjusted": ({"name": "logit_adjustment", "temperature": 1.7}, {"shift": 1.7 * log_prior()}),
    "adjusted, all": (
        {"name": "logit_adjustment", "temperature": 0.5, "class_weights": WEIGHTS, "label_smoothing": 0.1},
        {"shift": 0.5 * log_prior(), "weights": WEIGHTS, "smoothing": 0.1},
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_formula(case: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, formula = CASES[case]
    if case == "focal 0.5":
        monkeypatch.setattr(losses, "GAMMA", 0.5)
    logits, labels = batch(seed)
    found = TargetLoss(**({"name": "cross_entropy", "class_counts": COUNTS} | ours))(logits, labels)
    assert found.ndim == 0
    assert float(found) == pytest.approx(naive(logits, labels, **formula), rel=1e-5)


@pytest.mark.parametrize(("weights", "smoothing"), [(None, 0.0), (WEIGHTS, 0.0), (None, 0.1), (WEIGHTS, 0.3)])
def test_cross_entropy_is_that_of_torch(weights: Tensor | None, smoothing: float) -> None:
    logits, labels = batch()
    loss = TargetLoss(class_counts=COUNTS, class_weights=weights, label_smoothing=smoothing)
    theirs = torch.nn.functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits, labels), theirs)


@given(st.lists(st.integers(0, 10_000), min_size=5, max_size=5), st.integers(0, 99))
def test_balanced_softmax_is_logit_adjustment_with_tau_1(counts: list[int], seed: int) -> None:
    logits, labels = batch(seed)
    one, other = (
        TargetLoss(name, class_counts=torch.tensor(counts), temperature=1.0)(logits, labels)
        for name in ("balanced_softmax", "logit_adjustment")
    )
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert one.isfinite()


def test_balanced_softmax_is_that_of_its_paper() -> None:
    logits, labels = batch()
    counts = COUNTS.clamp_min(1)
    odds = counts * logits.double().exp()
    expected = -(odds / odds.sum(1, keepdim=True)).gather(1, labels[:, None]).log().mean()
    found = TargetLoss("balanced_softmax", class_counts=counts)(logits, labels)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_classes_make_all_losses_plain_but_focal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "GAMMA", 0.0)
    logits, labels = batch()
    found = TargetLoss(name, class_counts=torch.full((5,), 7))(logits, labels)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjustment"])
def test_the_optimum_of_a_balanced_loss_forgets_how_frequent_classes_are(name: str) -> None:
    """Features that say nothing: cross entropy learns the prior, these learn that all classes are alike."""
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate((80, 16, 4))])
    learned = {}
    for loss_name in ("cross_entropy", name):
        bias = torch.zeros(3, requires_grad=True)
        loss = TargetLoss(loss_name, class_counts=torch.tensor([80, 16, 4]))
        optimizer = torch.optim.LBFGS([bias], max_iter=100)

        def closure(loss=loss, bias=bias, optimizer=optimizer) -> Tensor:
            optimizer.zero_grad()
            value = loss(bias.expand(100, 3), labels)
            value.backward()
            return value

        optimizer.step(closure)
        learned[loss_name] = bias.detach().softmax(0)
    torch.testing.assert_close(learned["cross_entropy"], torch.tensor([0.80, 0.16, 0.04]), atol=0.01, rtol=0)
    torch.testing.assert_close(learned[name], torch.full((3,), 1 / 3), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighing", [None, *CLASS_WEIGHTS])
def test_every_loss_pulls_the_right_logit_up(name: str, weighing: str | None) -> None:
    weights = None if weighing is None else torch.from_numpy(CLASS_WEIGHTS[weighing](COUNTS.numpy()))
    logits = torch.zeros(4, 5, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3])
    TargetLoss(name, class_counts=COUNTS, class_weights=weights)(logits, labels).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert (logits.grad[range(4), labels] < 0).all()
    others = logits.grad.clone()
    others[range(4), labels] = 1
    assert (others >= 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_certain_answers_give_finite_losses(name: str) -> None:
    loss = TargetLoss(name, class_counts=COUNTS, class_weights=WEIGHTS)
    logits = torch.full((2, 5), -1e4)
    logits[:, 1] = 1e4
    logits.requires_grad_()
    for labels in (torch.tensor([1, 1]), torch.tensor([3, 2])):
        value = loss(logits, labels)
        value.backward()
        assert value.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_a_batch_of_classes_that_weigh_nothing_costs_nothing() -> None:
    logits, _ = batch()
    assert TargetLoss(class_counts=COUNTS, class_weights=WEIGHTS)(logits, torch.full((13,), 4)) == 0


def test_an_unknown_loss_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=", ".join(LOSSES)):
        TargetLoss("hinge", class_counts=COUNTS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"temperature": float("nan")}, "temperature"),
        ({"class_weights": torch.ones(4)}, r"class_weights have shape \(4,\), class_counts \(5,\)"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TargetLoss("focal", class_counts=COUNTS, **options)

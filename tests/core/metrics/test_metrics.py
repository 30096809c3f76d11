from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from egoact.core.annotations.labels import read_unseen_participants, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.accuracy import (
    confusion_matrix,
    count_better,
    majority_baseline,
    mean_over_classes,
    predict_classes,
    prior_baseline,
    top_k_accuracy,
)
from egoact.core.metrics.action_ranking import action_ranking
from egoact.core.metrics.protocol import evaluate_scores
from tests.makers.machines.places import SHARED

KITCHENS = SHARED / "data" / "epic-kitchens-100"

Array = np.ndarray[Any, Any]


def random_case(
    seed: int, num_segments: int, num_verbs: int, num_nouns: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    rng = np.random.default_rng(seed)
    sizes = {"verb": num_verbs, "noun": num_nouns}
    scores = {t: rng.normal(size=(num_segments, size)).astype(np.float32) for t, size in sizes.items()}
    labels = {t: rng.integers(size, size=num_segments) for t, size in sizes.items()}
    for target in sizes:
        scores[target][np.arange(num_segments), labels[target]] += 1.5
    return scores, labels


def mean_class_accuracy(scores: Array, labels: Array) -> float:
    return mean_over_classes(count_better(scores, labels) < 1, labels)


# A reference, written as slowly and plainly as possible.


def slow_is_right(row: Array, label: int, k: int) -> bool:
    return sum(1 for other, score in enumerate(row) if other != label and score >= row[label]) < k


def slow_action_is_right(verb_row: Array, noun_row: Array, verb: int, noun: int, k: int) -> bool:
    pairs = verb_row.astype(np.float64)[:, None] + noun_row.astype(np.float64)[None, :]
    return slow_is_right(pairs.ravel(), verb * len(noun_row) + noun, k)


def slow_metrics(scores: dict[str, Array], labels: dict[str, Array]) -> dict[str, dict[str, float]]:
    num_segments = len(labels["verb"])
    right = {
        target: {
            k: [slow_is_right(scores[target][i], labels[target][i], k) for i in range(num_segments)] for k in (1, 3, 5)
        }
        for target in ("verb", "noun")
    }
    right["action"] = {
        k: [
            slow_action_is_right(scores["verb"][i], scores["noun"][i], labels["verb"][i], labels["noun"][i], k)
            for i in range(num_segments)
        ]
        for k in (1, 3, 5)
    }
    classes = {"verb": list(labels["verb"]), "noun": list(labels["noun"])}
    classes["action"] = list(zip(labels["verb"], labels["noun"], strict=True))
    result = {}
    for target, by_k in right.items():
        result[target] = {f"top{k}": 100 * sum(hits) / num_segments for k, hits in by_k.items()}
        recalls = []
        for wanted in set(classes[target]):
            hits = [hit for hit, label in zip(by_k[1], classes[target], strict=True) if label == wanted]
            recalls.append(sum(hits) / len(hits))
        result[target]["mean_class"] = 100 * sum(recalls) / len(recalls)
    return result


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 7), st.integers(1, 9), st.booleans())
@settings(deadline=None)
def test_agrees_with_the_slow_reference(
    seed: int, num_segments: int, num_verbs: int, num_nouns: int, ties: bool
) -> None:
    scores, labels = random_case(seed, num_segments, num_verbs, num_nouns)
    if ties:
        scores = {target: np.round(values) for target, values in scores.items()}
    metrics = evaluate_scores(scores, labels)
    for target, expected in slow_metrics(scores, labels).items():
        assert metrics[target] == pytest.approx(expected)


def test_agrees_with_the_slow_reference_on_all_29100_actions() -> None:
    scores, labels = random_case(1, 25, 97, 300)
    metrics = evaluate_scores(scores, labels)
    for target, expected in slow_metrics(scores, labels).items():
        assert metrics[target] == pytest.approx(expected)
    assert 0 < metrics["action"]["top5"] < 100


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_the_best_100_pairs_are_those_of_the_whole_table(seed: int) -> None:
    scores, _ = random_case(seed, 3, 20, 130)
    ranking = action_ranking(scores["verb"], scores["noun"])
    assert ranking.scores.shape == (3, 100)
    for i in range(3):
        pairs = scores["verb"][i].astype(np.float64)[:, None] + scores["noun"][i]
        expected = np.sort(pairs.ravel())[::-1][:100]
        assert ranking.scores[i].tolist() == expected.tolist()
        assert pairs[ranking.verbs[i], ranking.nouns[i]].tolist() == expected.tolist()
        assert len(set(zip(ranking.verbs[i].tolist(), ranking.nouns[i].tolist(), strict=True))) == 100


@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(6, 12))
@settings(deadline=None)
def test_agrees_with_scikit_learn(seed: int, num_segments: int, num_classes: int) -> None:
    from sklearn.metrics import confusion_matrix as sklearn_confusion
    from sklearn.metrics import recall_score, top_k_accuracy_score

    scores, labels = (values["verb"] for values in random_case(seed, num_segments, num_classes, 1))
    classes = np.arange(num_classes)
    for k in (1, 3, 5):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=classes)
        assert top_k_accuracy(scores, labels, k=k) == pytest.approx(100 * expected)
    predictions = predict_classes(scores)
    present = np.unique(labels)
    recall = recall_score(labels, predictions, labels=present, average="macro", zero_division=0)
    assert mean_class_accuracy(scores, labels) == pytest.approx(100 * recall)
    matrix = confusion_matrix(labels, predictions, num_classes=num_classes)
    assert (matrix == sklearn_confusion(labels, predictions, labels=classes)).all()
    assert 100 * matrix.trace() / num_segments == pytest.approx(top_k_accuracy(scores, labels, k=1))


whole_scores = hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(2, 9)), elements=st.integers(-50, 50))


@given(whole_scores, st.data())
@settings(deadline=None)
def test_accuracy_is_unchanged_by_monotone_transformations(values: Array, data: st.DataObject) -> None:
    """Each segment gets a strictly increasing map of its own: any numbers, in the order of the old ones."""
    num_segments, num_classes = values.shape
    labels = data.draw(hnp.arrays(np.int64, num_segments, elements=st.integers(0, num_classes - 1)))
    transformed = np.empty(values.shape)
    for i, row in enumerate(values):
        old = np.unique(row)
        numbers = st.floats(-1e30, 1e30, allow_nan=False)
        new = sorted(data.draw(st.lists(numbers, min_size=len(old), max_size=len(old), unique=True)))
        transformed[i] = np.array(new)[np.searchsorted(old, row)]
    for k in (1, 3, 5):
        assert top_k_accuracy(transformed, labels, k=k) == top_k_accuracy(values.astype(float), labels, k=k)
    assert mean_class_accuracy(transformed, labels) == mean_class_accuracy(values.astype(float), labels)
    assert (predict_classes(transformed) == predict_classes(values)).all()


@given(st.integers(0, 10**6), st.floats(-1000, 1000))
@settings(deadline=None)
def test_action_accuracy_is_unchanged_by_a_shift_of_a_segment(seed: int, shift: float) -> None:
    scores, labels = random_case(seed, 6, 8, 9)
    scores = {target: np.round(values * 64) / 64 for target, values in scores.items()}
    shifted = {target: values.astype(np.float64) for target, values in scores.items()}
    shifted["verb"][2] += round(shift)
    assert evaluate_scores(shifted, labels) == evaluate_scores(scores, labels)


def shuffled_grid(rng: np.random.Generator, num_segments: int, num_verbs: int, num_nouns: int) -> tuple[Array, Array]:
    """Scores all of whose sums differ clearly: verbs are far apart, nouns are steps between them."""
    verbs = np.array([rng.permutation(num_verbs) for _ in range(num_segments)]) * 0.9
    nouns = np.array([rng.permutation(num_nouns) for _ in range(num_segments)]) * (0.9 / num_nouns)
    return verbs.astype(np.float32), nouns.astype(np.float32)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_published_and_per_segment_rankings_agree_on_well_scaled_scores(seed: int) -> None:
    verbs, nouns = shuffled_grid(np.random.default_rng(seed), 5, 12, 30)
    ours = action_ranking(verbs, nouns)
    published = action_ranking(verbs, nouns, scoring="published")
    assert (ours.verbs == published.verbs).all()
    assert (ours.nouns == published.nouns).all()


def test_published_ranking_is_the_evaluators_definition() -> None:
    """Softmax over the whole array, products of the 100 best, the 100 best pairs: step by step."""
    verbs, nouns = shuffled_grid(np.random.default_rng(0), 4, 97, 300)
    verb_order = np.argsort(verbs, axis=1)[:, ::-1][:, :100]
    noun_order = np.argsort(nouns, axis=1)[:, ::-1][:, :100]

    def softmax(scores: Array) -> Array:
        exponentials = np.exp(scores - scores.max())
        return exponentials / exponentials.sum()

    verb_probabilities = softmax(np.take_along_axis(verbs, verb_order, axis=1))
    noun_probabilities = softmax(np.take_along_axis(nouns, noun_order, axis=1))
    products = (verb_probabilities[:, :, None] * noun_probabilities[:, None, :]).reshape(4, -1)
    best = products.argsort(axis=1)[:, ::-1][:, :100]
    ranking = action_ranking(verbs, nouns, scoring="published")
    assert ranking.scores == pytest.approx(np.take_along_axis(products, best, axis=1))
    # Single precision may order two nearly equal products either way; the leading ones are clear.
    verb_ranks, noun_ranks = np.unravel_index(best, (97, 100))
    assert (np.take_along_axis(verb_order, verb_ranks, axis=1) == ranking.verbs)[:, :20].all()
    assert (np.take_along_axis(noun_order, noun_ranks, axis=1) == ranking.nouns)[:, :20].all()


def test_one_confident_segment_ruins_the_published_form_only() -> None:
    scores, labels = random_case(3, 50, 10, 12)
    perfect = {target: np.zeros_like(values) for target, values in scores.items()}
    for target in perfect:
        perfect[target][np.arange(50), labels[target]] = 5
    assert evaluate_scores(perfect, labels, action_scoring="published")["action"]["top1"] == 100
    perfect["verb"][0, labels["verb"][0]] = 120
    assert evaluate_scores(perfect, labels)["action"]["top1"] == 100
    ruined = evaluate_scores(perfect, labels, action_scoring="published")
    assert ruined["action"]["top1"] == 2  # Only the confident segment itself.
    assert ruined["verb"]["top1"] == 100


@pytest.mark.parametrize("scoring", ["per_segment", "published"])
def test_equal_scores_are_right_about_nothing(scoring: str) -> None:
    labels = {"verb": np.arange(8), "noun": np.arange(8)}
    scores = {"verb": np.zeros((8, 8)), "noun": np.full((8, 8), 3.5)}
    metrics = evaluate_scores(scores, labels, action_scoring=scoring)  # type: ignore[arg-type]
    for target in ("verb", "noun", "action"):
        assert set(metrics[target].values()) == {0}


def test_ties_among_the_best_count_as_wrong_until_they_fit() -> None:
    scores = np.array([[2.0, 2.0, 1.0, 0.0]])
    accuracies = [[top_k_accuracy(scores, np.array([label]), k=k) for k in (1, 2, 3, 4)] for label in range(4)]
    assert accuracies == [[0, 100, 100, 100], [0, 100, 100, 100], [0, 0, 100, 100], [0, 0, 0, 100]]
    assert predict_classes(scores).tolist() == [1]


def test_mean_class_counts_each_class_once() -> None:
    labels = np.array([0, 0, 0, 1])
    scores = np.array([[1.0, 0, 0]] * 4)
    assert top_k_accuracy(scores, labels, k=1) == 75
    assert mean_class_accuracy(scores, labels) == 50


def bad_inputs() -> list[tuple[Array, Array, str]]:
    scores, labels = np.eye(3), np.arange(3)
    return [
        (scores, np.array([0, -1, 1]), "1 of 3 labels are -1"),
        (scores, np.array([0, 3, 1]), "labels from 0 to 3; allowed are 0 to 2"),
        (scores, np.array([0, -2, 1]), "labels from -2 to 1"),
        (scores, labels[:2], "2 labels for 3 rows"),
        (scores, labels.astype(float), "whole numbers"),
        (scores, np.eye(3, dtype=int), "whole numbers"),
        (scores[0], labels, "shape"),
        (scores[:0], labels[:0], "at least one each"),
        (np.where(scores == 1, np.nan, scores), labels, "3 rows of scores are not finite"),
        (np.where(scores == 1, np.inf, scores), labels, "not finite"),
    ]


@pytest.mark.parametrize(("scores", "labels", "expected"), bad_inputs())
def test_impossible_inputs_are_refused(scores: Array, labels: Array, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        top_k_accuracy(scores, labels, k=1)
    with pytest.raises(ValueError):
        mean_class_accuracy(scores, labels)
    with pytest.raises(ValueError):
        evaluate_scores({"verb": scores}, {"verb": labels})


def test_keys_and_shapes_have_to_fit() -> None:
    scores, labels = random_case(0, 4, 5, 6)
    for wrong in (
        lambda: evaluate_scores({}, {}),
        lambda: evaluate_scores(scores, {"verb": labels["verb"]}),
        lambda: evaluate_scores({"action": scores["verb"]}, {"action": labels["verb"]}),
        lambda: evaluate_scores({**scores, "noun": scores["noun"][:3]}, labels),
        lambda: evaluate_scores(scores, labels, unseen=frozenset("a")),
        lambda: evaluate_scores(scores, labels, unseen=frozenset("a"), participants=["a"]),
        lambda: evaluate_scores(scores, labels, action_scoring="other"),  # type: ignore[arg-type]
        lambda: evaluate_scores(scores, labels, training_labels={t: np.array([-1]) for t in labels}),
        lambda: action_ranking(scores["verb"], scores["noun"][:3]),
        lambda: action_ranking(scores["verb"], scores["noun"]).count_better(labels["verb"][:2], labels["noun"][:2]),
        lambda: top_k_accuracy(scores["verb"], labels["verb"], k=0),
        lambda: confusion_matrix(labels["verb"], labels["verb"][:2], num_classes=5),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_parts_that_do_not_apply_are_absent() -> None:
    scores, labels = random_case(0, 6, 5, 6)
    verbs_only = evaluate_scores({"verb": scores["verb"]}, {"verb": labels["verb"]})
    assert set(verbs_only) == {"num_segments", "verb", "baselines"}
    assert set(verbs_only["baselines"]["majority"]) == {"verb"}
    nouns_only = evaluate_scores({"noun": scores["noun"]}, {"noun": labels["noun"]}, tail={"noun": frozenset()})
    assert set(nouns_only) == {"num_segments", "noun", "baselines", "notes"}
    both = evaluate_scores(scores, labels)
    assert set(both) == {"num_segments", "verb", "noun", "action", "baselines"}
    assert set(both["baselines"]) == {"majority", "prior"}
    with_training = evaluate_scores(
        scores, labels, training_labels={"verb": np.array([0, -1]), "noun": np.array([1, 1])}
    )
    assert set(with_training["baselines"]) == {"majority", "prior", "majority_training", "prior_training"}


def test_unseen_ids_that_match_nobody_are_said_and_not_nan() -> None:
    scores, labels = random_case(0, 6, 5, 6)
    metrics = evaluate_scores(scores, labels, participants=["P01"] * 6, unseen=frozenset({"P34", "P33"}))
    assert "unseen" not in metrics
    assert metrics["notes"] == [
        "No part for unseen participants: P33, P34 recorded none of these 6 segments; "
        "is this the list of another split?"
    ]


def test_unseen_and_tail_are_measured_on_their_segments_alone() -> None:
    labels = {"verb": np.array([0, 1, 2, 2]), "noun": np.array([0, 0, 1, 0])}
    right = np.array([[True, True], [True, False], [False, True], [True, True]])  # Of verb and noun, per segment.
    scores = {}
    for column, (target, size) in enumerate((("verb", 3), ("noun", 2))):
        scores[target] = np.zeros((4, size))
        answers = np.where(right[:, column], labels[target], (labels[target] + 1) % size)
        scores[target][np.arange(4), answers] = 1
    metrics = evaluate_scores(
        scores,
        labels,
        participants=["a", "b", "b", "c"],
        unseen=frozenset({"b", "z"}),
        tail={"verb": frozenset({2}), "noun": frozenset({1})},
        head={"verb": frozenset({0}), "noun": frozenset({0})},
    )
    assert [metrics[target]["top1"] for target in ("verb", "noun", "action")] == [75, 75, 50]
    # Verb 1 was never seen in training: it is neither rare nor frequent.
    assert metrics["head"] == {
        "verb": {"num_segments": 1, "top1": 100, "mean_class": 100},
        "noun": {"num_segments": 3, "top1": pytest.approx(200 / 3), "mean_class": pytest.approx(200 / 3)},
        "action": {"num_segments": 1, "top1": 100, "mean_class": 100},
    }
    assert metrics["unseen"] == {
        "num_segments": 2,
        "verb": {"top1": 50},
        "noun": {"top1": 50},
        "action": {"top1": 0},
    }
    assert metrics["tail"] == {
        "verb": {"num_segments": 2, "top1": 50, "mean_class": 50},
        "noun": {"num_segments": 1, "top1": 100, "mean_class": 100},
        "action": {"num_segments": 2, "top1": 50, "mean_class": 50},
    }


@given(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 6)))
@settings(deadline=None)
def test_no_constant_answer_beats_the_majority(labels: Array) -> None:
    own = majority_baseline(labels, reference=labels)
    for answer in range(7):
        scores = np.tile(-np.abs(np.arange(7) - answer - 0.1), (len(labels), 1))
        assert top_k_accuracy(scores, labels, k=1) <= own["top1"]
        assert top_k_accuracy(scores, labels, k=3) <= own["top3"]
        assert mean_class_accuracy(scores, labels) <= own["mean_class"] + 1e-9
    prior = prior_baseline(labels, reference=labels)
    assert prior["top1"] <= own["top1"] + 1e-9
    assert prior["mean_class"] == pytest.approx(100 / len(np.unique(labels)))


def test_baselines_of_another_reference() -> None:
    labels = np.array([0, 0, 1, 2])
    reference = np.array([1, 1, 1, 3])
    assert majority_baseline(labels, reference=reference) == pytest.approx(
        {"top1": 25, "top3": 25, "top5": 25, "mean_class": 100 / 3}
    )
    assert prior_baseline(labels, reference=reference) == pytest.approx({"top1": 75 / 4, "mean_class": 25})


@pytest.fixture(scope="module")
def validation() -> tuple[dict[str, Array], dict[str, frozenset[int]], list[str]]:
    if not KITCHENS.exists():
        pytest.skip("needs the EPIC-KITCHENS-100 annotations in ../shared/data")
    table = read_segments(KITCHENS / "EPIC_100_validation.csv")
    vocabularies = {target: read_vocabulary(KITCHENS, target) for target in ("verb", "noun")}  # type: ignore[arg-type]
    labels: dict[str, Array] = {target: v.encode(table) for target, v in vocabularies.items()}
    return labels, {target: v.tail for target, v in vocabularies.items()}, [s.participant_id for s in table]


Validation = tuple[dict[str, Array], dict[str, frozenset[int]], list[str]]


def test_baselines_and_parts_of_the_published_validation_set(validation: Validation) -> None:
    labels, tail, participants = validation
    sizes = {"verb": 97, "noun": 300}
    scores = {target: np.zeros((9668, size), dtype=np.float32) for target, size in sizes.items()}
    for target in scores:
        scores[target][np.arange(9668), labels[target]] = 1
    unseen = read_unseen_participants(KITCHENS, participants=participants)
    metrics = evaluate_scores(scores, labels, participants=participants, unseen=unseen, tail=tail)
    majority, prior = metrics["baselines"]["majority"], metrics["baselines"]["prior"]
    targets = ("verb", "noun", "action")
    assert [round(majority[target]["top1"], 2) for target in targets] == [20.04, 4.45, 2.35]
    assert [round(majority[target]["top5"], 1) for target in targets] == [64.2, 18.8, 9.0]
    assert [round(prior[target]["top1"], 2) for target in targets] == [10.44, 1.73, 0.52]
    assert metrics["num_segments"] == 9668
    assert metrics["unseen"]["num_segments"] == 1065
    assert [metrics["tail"][target]["num_segments"] for target in targets] == [1760, 1900, 3105]
    assert {metrics[part][target]["top1"] for part in ("unseen", "tail") for target in targets} == {100}
    assert {metrics[target]["top1"] for target in targets} == {100}


def test_a_constant_answer_scores_the_majority(validation: Validation) -> None:
    labels, _, _ = validation
    scores = {}
    for target, size in (("verb", 97), ("noun", 300)):
        counts = np.bincount(labels[target], minlength=size)
        scores[target] = np.tile(counts - np.arange(size) / size, (9668, 1)).astype(np.float32)
    metrics = evaluate_scores(scores, labels)
    for target in ("verb", "noun"):
        assert metrics[target] == pytest.approx(metrics["baselines"]["majority"][target])
    # The best verb with the best noun is not the best pair.
    assert metrics["action"]["top1"] < metrics["baselines"]["majority"]["action"]["top1"]

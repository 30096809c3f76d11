"""The measure of anticipation against the published definition, written a second time in tests/makers."""

import numpy as np
import pytest

from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.protocol import MEASURE, evaluate_anticipation, summarize_anticipation
from tests.makers.data.published_tasks import Asked, published_anticipation

NUM_SEGMENTS = 120
TAIL = {"verb": frozenset(range(20, 97)), "noun": frozenset(range(50, 300))}


def make_answers(seed: int, *, is_good: bool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """Scores, labels that are frequent for low ids, and participants."""
    random = np.random.default_rng(seed)
    scores, labels = {}, {}
    for target, size in (("verb", 97), ("noun", 300)):
        labels[target] = np.minimum(random.geometric(0.06, NUM_SEGMENTS), size) - 1
        scores[target] = random.normal(size=(NUM_SEGMENTS, size))
        scores[target][np.arange(NUM_SEGMENTS), labels[target]] += (
            1.5 + 2 * random.random(NUM_SEGMENTS) if is_good else 0
        )
    return scores, labels, [("P01", "P18", "P32")[i % 3] for i in range(NUM_SEGMENTS)]


@pytest.mark.parametrize("is_good", [False, True], ids=["random", "well scored"])
@pytest.mark.parametrize("seed", range(3))
def test_recall_is_that_of_the_published_definition(seed: int, is_good: bool) -> None:
    scores, labels, participants = make_answers(seed, is_good=is_good)
    unseen = frozenset({"P18", "P32"})
    measured = evaluate_anticipation(scores, labels, participants=participants, unseen=unseen, tail=TAIL)
    asked = [
        Asked(
            participants[row],
            int(labels["verb"][row]),
            int(labels["noun"][row]),
            dict(enumerate(scores["verb"][row].tolist())),
            dict(enumerate(scores["noun"][row].tolist())),
        )
        for row in range(NUM_SEGMENTS)
    ]
    expected = published_anticipation(asked, unseen=unseen, tail_verbs=TAIL["verb"], tail_nouns=TAIL["noun"])
    found = {"all": measured, "unseen": measured["unseen"], "tail": measured["tail"]}
    for part, of_targets in expected.items():
        for target, value in of_targets.items():
            assert found[part][target][MEASURE] == pytest.approx(value), (part, target)
    assert (expected["all"]["verb"] > 60) == is_good


def test_rare_classes_count_as_much_as_frequent_ones() -> None:
    labels = {"verb": np.array([0] * 9 + [6])}
    scores = {"verb": np.tile(-np.arange(7.0), (10, 1))}  # always 0, 1, 2, 3, 4
    measured = evaluate_anticipation(scores, labels)
    assert measured["verb"][MEASURE] == 50
    assert summarize_anticipation(measured) == "anticipation: verb 50.00 (class-mean top-5 recall %, 10 segments)"


def test_actions_that_a_model_ranked_itself_count() -> None:
    scores, labels, _ = make_answers(0, is_good=False)
    pairs = np.stack([labels["verb"], labels["noun"]], axis=1)[:, None]
    actions = ActionRanking(pairs[..., 0], pairs[..., 1], np.ones((NUM_SEGMENTS, 1)))
    assert evaluate_anticipation(scores, labels, actions=actions)["action"][MEASURE] == 100
    assert evaluate_anticipation(scores, labels)["action"][MEASURE] < 20


def test_parts_without_segments_are_absent() -> None:
    scores, labels, participants = make_answers(0, is_good=False)
    absent = frozenset(range(97)) - set(labels["verb"].tolist())
    measured = evaluate_anticipation(
        scores, labels, participants=participants, unseen=frozenset({"P99"}), tail={"verb": absent}
    )
    assert set(measured) == {"num_segments", "verb", "noun", "action"}
    with pytest.raises(ValueError, match="none participants for 120 segments"):
        evaluate_anticipation(scores, labels, unseen=frozenset({"P18"}))

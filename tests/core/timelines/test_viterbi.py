from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.metrics.calibration import expected_calibration_error, fit_temperature, log_softmax
from egoact.core.timelines.rules import Decoding, TimelineRules
from egoact.core.timelines.viterbi import Grammar, decode, decode_in_ways, learn_grammar, runs, with_background


def random_grammar(random: np.random.Generator, groups: list[int], least: list[int]) -> Grammar:
    num_groups = max(groups) + 1
    return Grammar(
        group_of_state=np.array(groups),
        enter=np.log(random.uniform(0.1, 1, len(groups))),
        follow=np.log(random.dirichlet(np.ones(num_groups), num_groups)),
        leave=np.log(random.uniform(0.05, 0.5, num_groups)),
        least=np.array(least),
    )


def value(path: tuple[int, ...], scores: np.ndarray, grammar: Grammar) -> float:
    """Of a path as the model defines it; -inf where a segment is too short."""
    group, total, before = grammar.group_of_state, 0.0, 0
    edges = [0, *(i for i in range(1, len(path)) if path[i] != path[i - 1]), len(path)]
    for number, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
        state = path[start]
        if stop - start < grammar.least[group[state]]:
            return -np.inf
        total += grammar.enter[state] + grammar.follow[before, group[state]]
        total += scores[start:stop, state].sum() + (stop - start - 1) * np.log1p(-np.exp(grammar.leave[group[state]]))
        if number < len(edges) - 2:
            total += grammar.leave[group[state]]
        before = group[state]
    return total


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), num_steps=st.integers(1, 6), shortest=st.integers(1, 3))
def test_the_path_is_the_best_of_all_paths(seed: int, num_steps: int, shortest: int) -> None:
    random = np.random.default_rng(seed)
    grammar = random_grammar(random, [0, 1, 1, 2], [1, min(shortest, num_steps), 1])
    scores = random.normal(0, 2, (num_steps, 4))
    found = decode(scores, grammar)
    best = max(value(path, scores, grammar) for path in product(range(4), repeat=num_steps))
    assert value(tuple(found.tolist()), scores, grammar) == pytest.approx(best)


@pytest.mark.parametrize("most", [1, 10**9])
def test_several_ways_at_once_are_what_each_is_alone(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    grammar = random_grammar(random, [0, 2, 1, 2, 3, 1], [1, 3, 2, 9])
    scores = random.normal(size=(40, 6))
    ways = [*product((0.4, 2.0), (0.0, 1.5), (0.0, 2.0))]
    monkeypatch.setattr("egoact.core.timelines.viterbi._MOST_SCORES", most)
    together = decode_in_ways(scores, grammar, ways)
    assert len({path.tobytes() for path in together}) > 4
    for path, (weight, penalty, bonus) in zip(together, ways, strict=True):
        penalised = scores - penalty * (np.arange(6) == 0)
        alone = decode(penalised, replace(grammar, follow=grammar.follow + bonus), weight=weight)
        assert (path == alone).all()


def test_short_flickers_are_decoded_away() -> None:
    tracks = [[(8, 16, 1), (24, 32, 2)], [(8, 18, 1), (22, 32, 2)]]
    grammar = learn_grammar(tracks, np.array([0, 1, 2]), shortest=0.5)
    assert grammar.least.tolist() == [2, 4, 4]
    truth = np.repeat([0, 1, 0, 2, 0], 8)
    scores = np.full((40, 3), -3.0)
    scores[np.arange(40), truth] = -0.1
    scores[[3, 11, 27]] = scores[[3, 11, 27]][:, [2, 0, 1]]  # three steps say something else
    assert (scores.argmax(1) != truth).sum() == 3
    assert decode(scores, grammar).tolist() == truth.tolist()


def test_order_that_training_has_seen_decides_what_scores_do_not() -> None:
    grammar = learn_grammar([[(0, 8, 1), (8, 16, 2)]] * 20 + [[(0, 8, 3)]], np.array([0, 1, 2, 3]))
    scores = np.full((16, 4), -4.0)
    scores[:8, 1] = scores[8:, 2] = scores[8:, 3] = -0.1  # then 2 or 3
    assert runs(decode(scores, grammar)) == [(0, 8, 1), (8, 16, 2)]
    scores[8:, 2] = -1.5  # what is seen often enough wins over what was expected
    assert runs(decode(scores, grammar)) == [(0, 8, 1), (8, 16, 3)]


def test_no_steps_one_step_and_bad_scores() -> None:
    grammar = random_grammar(np.random.default_rng(0), [0, 1], [5, 5])
    assert decode(np.zeros((0, 2)), grammar).shape == (0,)
    assert decode(np.array([[-5.0, -np.inf]]), grammar).tolist() == [0]
    with pytest.raises(ValueError, match="the grammar has 2 states"):
        decode(np.zeros((3, 3)), grammar)
    with pytest.raises(ValueError, match="nan"):
        decode(np.full((3, 2), np.nan), grammar)


def test_grammars_survive_json_and_refuse_nonsense() -> None:
    grammar = random_grammar(np.random.default_rng(0), [0, 1, 1], [1, 2])
    again = Grammar.from_dict(grammar.to_dict())
    assert all(np.array_equal(getattr(again, name), getattr(grammar, name)) for name in grammar.to_dict())
    with pytest.raises(ValueError, match="shapes"):
        Grammar.from_dict(grammar.to_dict() | {"least": [1]})
    with pytest.raises(ValueError, match="from 1 to 10,000,000 steps"):
        Grammar.from_dict(grammar.to_dict() | {"least": [1, 0]})
    with pytest.raises(ValueError, match="group 0"):
        learn_grammar([], np.array([0, 0]))


def test_nothing_is_impossible_after_few_recordings() -> None:
    grammar = learn_grammar([[(0, 4, 1)]], np.array([0, 1, 2]))
    for logs in (grammar.follow, grammar.enter, grammar.leave):
        assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(grammar.follow).sum(1), 1)
    assert with_background([(4, 9, 2), (2, 6, 1)]) == [(0, 2, 0), (2, 6, 1), (6, 9, 2)]


def rules_for(num_actions: int) -> TimelineRules:
    groups = np.arange(num_actions + 1)
    tracks = [[(16 * i + 8, 16 * i + 16, 1 + i % num_actions) for i in range(2 * num_actions)]]
    actions = tuple((i,) for i in range(num_actions))
    return TimelineRules(rate=8, targets=("verb",), actions=actions, grammar=learn_grammar(tracks, groups))


def test_many_actions_are_pruned_to_those_that_matter() -> None:
    rules = rules_for(600)
    scores = np.full((24, 601), -9.0)
    scores[:8, 600] = scores[16:, 600] = scores[8:16, 431] = -0.01
    assert rules.find_actions({"verb": scores}) == [(8, 16, (431,))]


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_a_penalty_of_background_never_finds_more_of_it(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 1.5, (40, 4))
    found = [
        sum(
            stop - start
            for start, stop, _ in replace(rules_for(3), decodings=(Decoding(background_penalty=p),)).find_actions(
                {"verb": scores}
            )
        )
        for p in (0.0, 0.5, 1.5, 4.0)
    ]
    assert found == sorted(found)


def test_a_bonus_for_changes_finds_what_is_short_and_unsure() -> None:
    scores = np.full((40, 4), -3.0)
    scores[:, 3] = -0.1  # background
    scores[8:13] = (-0.7, -3.0, -3.0, -1.5)
    assert rules_for(3).find_actions({"verb": scores}) == []
    assert replace(rules_for(3), decodings=(Decoding(change_bonus=2.0),)).find_actions({"verb": scores}) == [
        (8, 13, (0,))
    ]
    assert scores[8].tolist() == [-0.7, -3.0, -3.0, -1.5], "what a caller gives stays as it was"


def test_rules_survive_json_and_refuse_nonsense() -> None:
    rules = replace(rules_for(3), decodings=(Decoding(background_penalty=0.5, change_bonus=2.0), Decoding("argmax")))
    assert TimelineRules.from_dict(rules.to_dict()).to_dict() == rules.to_dict()
    with pytest.raises(ValueError, match="2 actions, but 4 states"):
        TimelineRules.from_dict(rules.to_dict() | {"actions": [[0], [1]]})
    with pytest.raises(ValueError, match="class ids"):
        TimelineRules.from_dict(rules.to_dict() | {"targets": ["verb", "noun"]})
    with pytest.raises(ValueError, match="rate must be a whole number from 1"):
        TimelineRules.from_dict(rules.to_dict() | {"rate": 0})
    with pytest.raises(KeyError):
        TimelineRules.from_dict({})


def test_temperature_makes_confidence_true() -> None:
    random = np.random.default_rng(0)
    true_logits = random.normal(0, 1.5, (4000, 5))
    labels = np.array([random.choice(5, p=p) for p in np.exp(log_softmax(true_logits))])
    boasting = 3 * true_logits  # three times as sure as it should be
    temperature = fit_temperature(boasting, labels)
    assert temperature == pytest.approx(3, rel=0.1)

    def error(logits: np.ndarray) -> float:
        shares = np.exp(log_softmax(logits))
        return expected_calibration_error(shares.max(1), shares.argmax(1) == labels)

    assert error(boasting / temperature) < 0.03 < 0.1 < error(boasting)
    with pytest.raises(ValueError, match="do not fit"):
        fit_temperature(boasting, labels[:5])


def test_training_segments_become_rules() -> None:
    from egoact.core.annotations.labels import build_vocabulary
    from egoact.timelines.learning.segmenter_training import learn_rules

    def segment(i: int, verb: str, noun: str) -> Segment:
        return Segment(f"s{i}", "P", "v", 2.0 * i, 2.0 * i + 1 + i % 2, verb=verb, noun=noun)

    words = [("take", "cup"), ("put", "cup"), ("take", "pan"), ("take", "cup")]
    table = SegmentTable(Path("t.csv"), tuple(segment(i, *pair) for i, pair in enumerate(words)))
    vocabularies = {target: build_vocabulary(table, target) for target in ("verb", "noun")}
    rules = learn_rules(table, vocabularies, rate=8)
    named = [tuple(vocabularies[t].names[i] for t, i in zip(rules.targets, a, strict=True)) for a in rules.actions]
    assert sorted(named) == [("put", "cup"), ("take", "cup"), ("take", "pan")]
    groups = dict(zip(named, rules.grammar.group_of_state[1:].tolist(), strict=True))
    assert groups["take", "cup"] == groups["take", "pan"] != groups["put", "cup"]
    action, nothing = (
        {t: np.log(np.tile(p, (16, 1))) for t in ("verb", "noun")} for p in ([0.7, 0.1, 0.2], [0.2, 0.1, 0.7])
    )
    assert [found for *_, found in rules.find_actions(action)] == [rules.actions[0]]
    assert rules.find_actions(nothing) == []


def test_rules_of_earlier_versions_are_read() -> None:
    rules = rules_for(3).to_dict()
    earlier = rules | {"has_background": True, "threshold": 0.5, "temperature": {}, "window_seconds": []}
    assert TimelineRules.from_dict(earlier).to_dict() == rules

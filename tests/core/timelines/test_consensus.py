"""What several answers about a recording agree on."""

from egoact.core.timelines.rules import Consensus, TimelineRules
from tests.core.timelines.test_viterbi import rules_for

OPEN, CLOSE = (0,), (1,)


def test_what_most_agree_on_counts_and_not_what_comes_first() -> None:
    alone = [(0, 30, OPEN)]
    alike = [[(0, 10, OPEN), (12, 30, CLOSE)], [(0, 10, OPEN), (12, 29, CLOSE)], [(0, 9, OPEN), (12, 30, CLOSE)]]
    asked = Consensus([alone, *alike, alone, alone, [], []])
    assert asked.of([0, 1, 2, 3]) == alike[0]
    assert asked.of([0, 4, 5, 2, 3]) == alone, "each answer counts as often as it was given"
    assert asked.of([6, 1, 7]) == []
    assert asked.of([2, 0]) == alike[1], "the first, where two differ"
    assert asked.of([1, 2, 3, 0]) == alike[0], "asked again, the same"


def test_runs_of_one_decoding_are_read() -> None:
    saved = rules_for(3).to_dict()
    (way,) = saved.pop("decodings")
    old = TimelineRules.from_dict(saved | way | {"weight": 2.5})
    assert [how.weight for how in old.decodings] == [2.5]

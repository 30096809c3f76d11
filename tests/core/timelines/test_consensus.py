"""What several answers about a recording agree on."""

from egoact.core.timelines.rules import Consensus

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

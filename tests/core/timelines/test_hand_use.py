import numpy as np
import pytest

from egoact.core.timelines.hands import HandTracks, find_stretches, measure_hand_use
from egoact.core.timelines.statistics import check_hands
from egoact.core.timelines.timeline import Timeline, TimelineSegment


def tracks_of(left: str, right: str, *, rate: float = 2) -> HandTracks:
    """Steps as letters: x seen, o bridged, . absent."""
    rows = np.array([list(left), list(right)]).T
    return HandTracks(rate, rows == "x", rows != ".")


def timeline_of(*stretches: tuple[float, float]) -> Timeline:
    return Timeline("v", tuple(TimelineSegment(start, stop, "stir") for start, stop in stretches))


def test_a_hand_interacts_while_it_is_there_and_something_is_done() -> None:
    # seconds      0 1 2 3 4 5 6 7 8 9
    tracks = tracks_of("xxxxoxxx............", "xxxxxxxxxxxxxxxxxxxx")
    use = measure_hand_use(tracks, timeline_of((1, 3), (3, 4), (8, 9.5)))
    assert use["left"]["interactions"] == [[1.0, 4.0]], "two actions in a row are one interaction"
    assert use["right"]["interactions"] == [[1.0, 4.0], [8.0, 9.5]]
    assert use["left"]["share_of_time"] == 0.3 and use["right"]["share_of_time"] == 0.45
    assert use["left"]["mean_duration_seconds"] == 3.0 and use["right"]["mean_duration_seconds"] == 2.25
    assert use["left"]["interactions_per_hour"] == 360 and use["right"]["interactions_per_hour"] == 720
    assert use["left"]["num_interactions"] == 1 and use["right"]["num_interactions"] == 2
    assert use["hand_use_ratio"] == pytest.approx(0.3 / 0.45, abs=1e-4)
    assert use["left"]["bridged_share"] == 0.125 and use["right"]["bridged_share"] == 0
    assert use["steps_without_hands_share"] == 0
    check_hands(use)


def test_a_missed_hand_is_told_though_it_is_bridged() -> None:
    use = measure_hand_use(tracks_of("xoox....", "........"), timeline_of((0, 4)))
    assert use["steps_without_hands_share"] == 0.75
    assert use["left"]["interactions"] == [[0.0, 2.0]] and use["left"]["bridged_share"] == 0.5


def test_what_is_shorter_than_half_a_second_does_not_count() -> None:
    tracks = tracks_of("x.xx.....", "xxxxxxxxx", rate=4)
    use = measure_hand_use(tracks, timeline_of((0, 2)))
    assert use["left"]["interactions"] == [[0.5, 1.0]] and use["left"]["share_of_time"] == pytest.approx(0.2222)
    assert measure_hand_use(tracks, timeline_of((0, 2)), shortest_seconds=0)["left"]["num_interactions"] == 2


def test_without_actions_hands_or_steps() -> None:
    idle = measure_hand_use(tracks_of("xx", "xx"), timeline_of())
    assert idle["left"]["share_of_time"] == 0 and idle["left"]["mean_duration_seconds"] is None
    assert idle["hand_use_ratio"] is None
    one_handed = measure_hand_use(tracks_of("xx", ".."), timeline_of((0, 1)))
    assert one_handed["hand_use_ratio"] is None, "nothing to compare the left hand with"
    assert measure_hand_use(tracks_of("..", "xx"), timeline_of((0, 1)))["hand_use_ratio"] == 0
    empty = measure_hand_use(HandTracks(4, np.zeros((0, 2), bool), np.zeros((0, 2), bool)), timeline_of())
    assert empty["steps_without_hands_share"] is None and empty["left"]["interactions_per_hour"] is None
    for use in (idle, one_handed, empty):
        check_hands(use)


def test_stretches() -> None:
    assert find_stretches(np.array([True, True, False, True]), rate=4) == [(0.0, 0.5), (0.75, 1.0)]
    assert find_stretches(np.zeros(3, dtype=bool), rate=4) == [] == find_stretches(np.zeros(0, dtype=bool), rate=4)

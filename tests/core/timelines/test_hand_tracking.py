import numpy as np
import pytest

from egoact.core.timelines.hands import HandTracks, Palm, track_hands
from tests.makers.films.hands import palm


@pytest.mark.parametrize("x", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("arm_x", [0.0, 0.3, 1.0])
def test_an_arm_comes_in_where_its_line_meets_the_border(x: float, arm_x: float) -> None:
    assert palm(x, arm_x=arm_x).arm_x == pytest.approx(arm_x)


def test_an_arm_comes_in_at_the_side_before_it_meets_the_bottom() -> None:
    assert Palm((0.2, 0.4, 0.3, 0.5), wrist=(0.2, 0.5), knuckle=(0.3, 0.45), score=0.9).arm_x == 0.0
    assert Palm((0.7, 0.4, 0.8, 0.5), wrist=(0.8, 0.5), knuckle=(0.7, 0.45), score=0.9).arm_x == 1.0
    no_direction = Palm((0.2, 0.4, 0.4, 0.6), wrist=(0.3, 0.5), knuckle=(0.3, 0.5), score=0.9)
    assert no_direction.arm_x == 0.3
    outside = Palm((0.9, 0.4, 1.2, 0.6), wrist=(1.1, 0.6), knuckle=(1.0, 0.5), score=0.9)
    assert outside.arm_x == 1.0


@pytest.mark.parametrize(
    "wrong", [{"box": (0.5, 0, 0.4, 1)}, {"box": (0, 0.5, 1, 0.4)}, {"score": 1.1}, {"score": -0.1}]
)
def test_impossible_palms_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must not be inside out"):
        Palm(**({"box": (0, 0, 1, 1), "wrist": (0, 0), "knuckle": (1, 1), "score": 0.5} | wrong))


def test_hands_are_named_by_their_arms_wherever_they_are() -> None:
    reaching_right, reaching_left = palm(0.7, arm_x=0.1), palm(0.3, arm_x=0.9)
    alone = track_hands([[reaching_right], [reaching_left]], rate=1, bridge_seconds=0)
    assert alone.seen.tolist() == [[True, False], [False, True]]
    crossed = track_hands([[reaching_right, reaching_left], [reaching_left, reaching_right]], rate=4)
    assert crossed.seen.all()


def test_no_side_has_two_hands() -> None:
    """As where another person's right hand, or a second box on the same hand, is in the picture."""
    tracks = track_hands([[palm(0.7, arm_x=0.9), palm(0.8, arm_x=0.95, score=0.6)]], rate=4)
    assert tracks.seen.tolist() == [[False, True]]


def test_of_two_right_hands_the_one_that_was_there_is_followed() -> None:
    """An arm straight from below in the middle says nothing: the hand's last place decides."""
    middle = palm(0.5)
    left_before = track_hands([[palm(0.45, arm_x=0.2)], [middle]], rate=8, bridge_seconds=0.2)
    right_before = track_hands([[palm(0.55, arm_x=0.8)], [middle]], rate=8, bridge_seconds=0.2)
    assert left_before.seen[1].tolist() == [True, False] and right_before.seen[1].tolist() == [False, True]


def test_little_score_counts_only_where_that_hand_was_a_moment_ago() -> None:
    sure, unsure = palm(0.8, arm_x=0.9), palm(0.8, arm_x=0.9, score=0.4)
    far, feeble = palm(0.4, arm_x=0.9, score=0.4), palm(0.8, arm_x=0.9, score=0.2)
    steps = [[unsure], [sure], [unsure], [far], [feeble], [], [], [], [], [unsure]]
    seen = track_hands(steps, rate=4).seen[:, 1]
    assert seen.tolist() == [False, True, True, False, False, False, False, False, False, False]


@pytest.mark.parametrize(("num_missed", "is_bridged"), [(1, True), (4, True), (5, False)])
def test_a_hand_that_is_missed_for_a_moment_is_bridged(num_missed: int, is_bridged: bool) -> None:
    hand = [palm(0.2, arm_x=0.1)]
    tracks = track_hands([[], hand, *([[]] * num_missed), hand, []], rate=4, bridge_seconds=1.0)
    assert tracks.seen[:, 0].sum() == 2 and not tracks.present[:, 1].any()
    assert tracks.present[2:-2, 0].all() == is_bridged and tracks.present[2:-2, 0].any() == is_bridged
    assert not tracks.present[0, 0] and not tracks.present[-1, 0], (
        "nothing is made up before the first or after the last"
    )


def test_no_steps_and_no_hands() -> None:
    assert track_hands([], rate=4).seen.shape == (0, 2)
    assert not track_hands([[], []], rate=4).present.any()


def test_impossible_tracks_are_refused() -> None:
    none, every = np.zeros((3, 2), dtype=bool), np.ones((3, 2), dtype=bool)
    with pytest.raises(ValueError, match="seen is present"):
        HandTracks(4, every, none)
    with pytest.raises(ValueError, match="seen is present"):
        HandTracks(0, none, every)
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        HandTracks(4, none[:, :1], every[:, :1])


def test_a_mirrored_recording_has_its_hands_exchanged() -> None:
    random = np.random.default_rng(0)

    def some(num: int) -> list[Palm]:
        draws = random.random((num, 4))
        return [palm(x, 0.9 * y, arm_x=arm, score=score) for x, y, arm, score in draws]

    def mirror(p: Palm) -> Palm:
        left, top, right, bottom = p.box
        (x, y), (knuckle_x, knuckle_y) = p.wrist, p.knuckle
        return Palm((1 - right, top, 1 - left, bottom), (1 - x, y), (1 - knuckle_x, knuckle_y), p.score)

    steps = [some(num) for num in random.integers(0, 5, size=300)]
    tracks = track_hands(steps, rate=4)
    mirrored = track_hands([[mirror(p) for p in reversed(palms)] for palms in steps], rate=4)
    assert (tracks.seen == mirrored.seen[:, ::-1]).all() and (tracks.present == mirrored.present[:, ::-1]).all()
    assert 0.2 < tracks.seen.mean() < 0.9
    assert (tracks.seen.sum(axis=1) <= [len(palms) for palms in steps]).all()

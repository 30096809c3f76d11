import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.timelines.speech import (
    MOST_WAIT_SECONDS,
    PAUSE_SECONDS,
    SOON_SECONDS,
    Loudness,
    SpeechPlan,
    plan_speech,
    texts_of,
)
from egoact.core.timelines.timeline import Timeline, TimelineSegment

SILENT = Loudness(0.05, np.zeros(0))


def loud_at(
    *stretches: tuple[float, float], seconds: float = 60.0, power: float = 0.1, floor: float = 1e-5
) -> Loudness:
    times = (np.arange(round(seconds / 0.05)) + 0.5) * 0.05
    loud = np.any([(times >= start) & (times < stop) for start, stop in stretches], axis=0)
    return Loudness(0.05, np.where(loud, power, floor))


def plan(
    *segments: tuple, loudness: Loudness = SILENT, a_word: float = 0.3, length: float = 60.0
) -> tuple[SpeechPlan, Timeline]:
    """Segments as (start, stop, verb, noun, confidence), the last two as far as they matter."""
    timeline = Timeline("v", tuple(TimelineSegment(*segment) for segment in segments))
    found = plan_speech(timeline, loudness, seconds_of=lambda text: a_word * len(text.split()), length_seconds=length)
    return found, timeline


def test_in_silence_each_is_said_when_it_begins() -> None:
    found, _ = plan((1, 3, "open", "fridge"), (5, 6, "take", "milk"))
    assert [(s.text, s.start_seconds) for s in found.spoken] == [("opens the fridge", 1), ("takes the milk", 5)]
    assert [s.stop_seconds for s in found.spoken] == pytest.approx([1.9, 5.9])
    assert not found.unspoken and not any(s.is_short for s in found.spoken)


def test_it_waits_for_a_gap_in_the_sound() -> None:
    found, _ = plan((1, 6, "stir", "soup"), loudness=loud_at((0, 2.5)))
    assert found.spoken[0].start_seconds == pytest.approx(2.5, abs=0.05)


def test_a_gap_that_is_too_short_for_it_is_no_gap() -> None:
    found, _ = plan((1, 6, "stir", "soup"), loudness=loud_at((0, 2.0), (2.4, 3.0)))
    assert found.spoken[0].start_seconds == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("loudness", [loud_at((0, 60)), loud_at((0, 5.2), (5.6, 60)), loud_at((0, 60), power=2e-5)])
def test_without_a_gap_in_time_it_is_said_at_once(loudness: Loudness) -> None:
    found, _ = plan((1, 9, "stir", "soup"), loudness=loudness)
    assert found.spoken[0].start_seconds == 1


def test_it_begins_while_its_action_goes_on_or_soon_after_it_began() -> None:
    for stop, latest in ((1.2, 1 + SOON_SECONDS), (3.0, 3.0), (20.0, 1 + MOST_WAIT_SECONDS)):
        at_last, _ = plan((1, stop, "stir", "soup"), loudness=loud_at((0, latest - 0.1)))
        assert at_last.spoken[0].start_seconds == pytest.approx(latest - 0.1, abs=0.05)
        too_late, _ = plan((1, stop, "stir", "soup"), loudness=loud_at((0, latest + 2)))
        assert too_late.spoken[0].start_seconds == 1


def test_a_long_wait_must_be_worth_it() -> None:
    a_little_quieter = loud_at((0, 3), power=0.1, floor=0.05)  # 3 dB, two seconds later
    much_quieter = loud_at((0, 3), power=0.1, floor=0.01)
    assert plan((1, 9, "stir", "soup"), loudness=a_little_quieter)[0].spoken[0].start_seconds == 1
    assert plan((1, 9, "stir", "soup"), loudness=much_quieter)[0].spoken[0].start_seconds == pytest.approx(3, abs=0.1)


def test_the_next_one_is_not_made_late() -> None:
    """It would be quiet after 4.5 s, but then the next one would have no time."""
    segments = ((1, 9, "stir", "soup"), (2.5, 3, "take", "milk"))
    found, _ = plan(*segments, loudness=loud_at((0, 4.5)), a_word=0.3)
    assert not found.unspoken and found.spoken[1].start_seconds <= 4.0


def test_what_does_not_fit_is_shortened() -> None:
    found, _ = plan((1, 2, "open", "fridge"), (1.2, 3, "take", "milk"), a_word=0.8)
    first, second = found.spoken
    assert first.text == "opens" and first.is_short and (first.start_seconds, first.stop_seconds) == (1, 1.8)
    assert second.text == "takes the milk" and second.start_seconds == pytest.approx(1.8 + PAUSE_SECONDS)


def test_of_two_that_do_not_fit_the_more_certain_one_is_said() -> None:
    sure_first, _ = plan((1, 2, "open", "fridge", 0.9), (1.1, 2, "take", "milk", 0.8), a_word=2)
    assert [s.text for s in sure_first.spoken] == ["opens"] and sure_first.unspoken == (1,)
    sure_second, _ = plan((1, 2, "open", "fridge", 0.7), (1.1, 2, "take", "milk", 0.8), a_word=2)
    assert [s.text for s in sure_second.spoken] == ["takes the milk"] and sure_second.unspoken == (0,)


def test_nothing_is_said_beyond_the_end() -> None:
    assert plan((9, 10, "open", "fridge"), a_word=0.3, length=10)[0].spoken[0].stop_seconds == pytest.approx(9.9)
    assert plan((9.5, 10, "open", "fridge"), a_word=0.3, length=10)[0].spoken[0].text == "opens"
    assert plan((9.9, 10, "open", "fridge"), a_word=0.3, length=10)[0] == SpeechPlan((), (0,))


def test_what_can_be_said() -> None:
    assert texts_of(TimelineSegment(0, 1, "turn-on", "tap")) == ("turns on the tap", "turns on")
    assert texts_of(TimelineSegment(0, 1, "turn-on")) == ("turns on",)
    assert texts_of(TimelineSegment(0, 1, None, "board:chopping")) == ("the chopping board",)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.05, 8), st.floats(0, 1), st.booleans()), max_size=12),
    st.floats(0.05, 2.0),
    st.lists(st.sampled_from([0.0, 1e-4, 0.1]), max_size=300),
)
def test_plans_keep_their_promises(segments: list[tuple], a_word: float, powers: list[float]) -> None:
    rows = sorted(
        ((start, start + long, "open", "fridge" if noun else None, sure) for start, long, sure, noun in segments),
        key=lambda row: row[0],
    )
    found, timeline = plan(*rows, loudness=Loudness(0.1, np.array(powers, dtype=np.float64)), a_word=a_word, length=30)
    assert sorted([*(s.number for s in found.spoken), *found.unspoken]) == list(range(len(timeline)))
    free = 0.0
    for said in found.spoken:
        segment = timeline[said.number]
        latest = max(
            min(segment.stop_seconds, segment.start_seconds + MOST_WAIT_SECONDS), segment.start_seconds + SOON_SECONDS
        )
        assert max(free, segment.start_seconds) - 1e-6 <= said.start_seconds <= latest + 1e-6
        assert said.stop_seconds - said.start_seconds == pytest.approx(a_word * len(said.text.split()))
        assert said.stop_seconds <= 30 + 1e-6
        assert said.text in texts_of(segment) and said.is_short == (said.text != texts_of(segment)[0])
        free = said.stop_seconds + PAUSE_SECONDS


def test_loudness() -> None:
    loudness = Loudness(0.5, np.array([0.0, 0.1, 0.1, 0.001]))
    levels = loudness.decibels(np.array([0.0, 0.5, 0.75, 0.25, 1.5, 2.0]), 0.5)
    np.testing.assert_allclose(levels, [-60, -10, -10, 10 * np.log10(0.05), -30, -60], atol=1e-9)
    for powers, seconds in (
        (np.zeros((2, 2)), 1.0),
        (np.zeros(2), 0.0),
        (np.array([-1.0]), 1.0),
        (np.array([np.nan]), 1),
    ):
        with pytest.raises(ValueError, match="loudness of shape"):
            Loudness(seconds, powers)

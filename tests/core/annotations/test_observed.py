"""Where to look for actions that have not begun."""

from pathlib import Path

import pytest

from egoact.core.annotations.anticipation import Anticipation, choose_anticipation
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from tests.makers.machines.places import SHARED

VALIDATION = SHARED / "data" / "epic-kitchens-100" / "EPIC_100_validation.csv"


def test_segments_end_a_gap_before_their_actions() -> None:
    segments = (
        Segment("early", "P01", "P01_11", 0.75, 2, verb_class=1),
        Segment("short", "P01", "P01_11", 1.5, 3, verb_class=2),
        Segment("long", "P01", "P01_11", 10, 12, 500, 600, verb_class=3),
    )
    found = Anticipation(gap_seconds=1, observed_seconds=4).observed(SegmentTable(Path("a.csv"), segments, (5, 6, 8)))
    assert [(s.narration_id, s.start_seconds, s.stop_seconds, s.verb_class) for s in found] == [
        ("short", 0, 0.5, 2),
        ("long", 5, 9, 3),
    ]
    assert found.place(1) == "row 8"  # messages still name the line of the file
    assert found[1].start_frame is None


def test_impossible_times_are_refused() -> None:
    with pytest.raises(ValueError, match="--gap must be at least 0, got -1"):
        Anticipation(gap_seconds=-1)
    with pytest.raises(ValueError, match="--observe must be at least 0.017, got 0"):
        choose_anticipation(1.0, 0)
    with pytest.raises(ValueError, match="--observe goes with --gap"):
        choose_anticipation(None, 2.0)
    assert choose_anticipation(None, None) is None
    assert choose_anticipation(1.0, None) == Anticipation(1.0, 2.5)
    table = SegmentTable(Path("a.csv"), (Segment("a", "P01", "P01_11", 0.5, 2),))
    with pytest.raises(ValueError, match="none of the 1 actions begins more than 1 s after its recording"):
        Anticipation().observed(table)


def test_the_real_segments() -> None:
    if not VALIDATION.exists():
        pytest.skip("needs the EPIC-KITCHENS-100 annotations in ../shared/data")
    table = read_segments(VALIDATION)
    found = Anticipation().observed(table)
    assert len(table) - len(found) == 28
    start_of = {segment.narration_id: segment.start_seconds for segment in table}
    assert all(start_of[s.narration_id] - s.stop_seconds == pytest.approx(1) for s in found)

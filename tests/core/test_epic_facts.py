import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.labels import read_unseen_participants
from egoact.core.annotations.segments import read_segments
from egoact.core.epic.facts import (
    ERRATUM_VIDEOS,
    SUPERVISION_LEVELS,
    VERB_CATEGORIES,
    flow_index,
    flow_stride,
    frame_index,
    frame_rate,
    frame_seconds,
)
from egoact.core.errors import AnnotationError
from tests.makers.machines.places import SHARED

KITCHENS = SHARED / "data" / "epic-kitchens-100"


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip("needs the annotation files in ../shared/data")
    return path


@pytest.mark.parametrize(
    ("video_id", "rate", "stride"),
    [("P01_01", 60, 2), ("P37_101", 50, 1), ("P01_1", None, None), ("P01_1011", None, None), ("S2_Tea_C1", None, None)],
)
def test_clocks_follow_the_id(video_id: str, rate: int | None, stride: int | None) -> None:
    assert frame_rate(video_id) == rate
    assert flow_stride(video_id) == stride


@given(st.integers(1, 10**7), st.sampled_from([50, 60, 59.94, 29.97]))
@settings(deadline=None)
def test_frames_and_seconds_are_inverse(index: int, rate: float) -> None:
    assert frame_index(frame_seconds(index, rate=rate), rate=rate) == index


def test_the_first_frame_is_time_zero() -> None:
    assert frame_seconds(1, rate=60) == 0
    assert frame_index(0, rate=60) == 1
    assert frame_index(0.0166, rate=60) == 1
    assert frame_index(0.0167, rate=60) == 2
    for index, rate in ((0, 60), (1, 0), (1, float("nan"))):
        with pytest.raises(ValueError):
            frame_seconds(index, rate=rate)
    for seconds in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            frame_index(seconds, rate=60)


def test_flow_frames_have_their_own_numbers() -> None:
    assert [flow_index(index, stride=2) for index in range(1, 7)] == [1, 1, 2, 2, 3, 3]
    assert [flow_index(index, stride=1) for index in (1, 2, 3)] == [1, 2, 3]
    with pytest.raises(ValueError):
        flow_index(0, stride=2)


@pytest.mark.parametrize("name", ["EPIC_100_validation.csv", "EPIC_100_test_timestamps.csv"])
def test_published_start_frames_follow_the_clock(name: str) -> None:
    for segment in read_segments(need(KITCHENS / name)):
        rate = frame_rate(segment.video_id)
        assert rate is not None
        assert segment.start_frame is not None
        assert abs(frame_index(segment.start_seconds, rate=rate) - 1 - segment.start_frame) <= 1


def test_lists_of_facts() -> None:
    assert len(VERB_CATEGORIES) == 13
    assert list(VERB_CATEGORIES) == sorted(VERB_CATEGORIES)
    assert {len(meanings) for meanings in SUPERVISION_LEVELS.values()} == {6}
    assert all(frame_rate(video_id) == 50 for video_id in ERRATUM_VIDEOS)


def participants_of(name: str) -> list[str]:
    with need(KITCHENS / name).open(newline="") as file:
        return [row["participant_id"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("name", "expected", "num_segments"),
    [
        ("EPIC_100_validation.csv", {"P18", "P32"}, 1065),
        ("EPIC_100_test_timestamps.csv", {"P33", "P34", "P36"}, 4110),
    ],
)
def test_each_split_gets_its_own_unseen_participants(name: str, expected: set[str], num_segments: int) -> None:
    participants = participants_of(name)
    unseen = read_unseen_participants(KITCHENS, participants=participants)
    assert unseen == expected
    assert sum(participant in unseen for participant in participants) == num_segments


def test_unseen_lists_that_do_not_decide(tmp_path: Path) -> None:
    assert read_unseen_participants(tmp_path, participants=["a"]) is None
    (tmp_path / "unseen_participant_ids_a.csv").write_text("participant_id\na\nx\n")
    (tmp_path / "unseen_participant_ids_b.csv").write_text("participant_id\nb\n")
    assert read_unseen_participants(tmp_path, participants=["c"]) == {"a", "b", "x"}
    assert read_unseen_participants(tmp_path, participants=["b", "c"]) == {"b"}
    with pytest.raises(AnnotationError, match="fit these segments equally well"):
        read_unseen_participants(tmp_path, participants=["a", "b"])
    with pytest.raises(AnnotationError, match="no such folder"):
        read_unseen_participants(tmp_path / "none", participants=["a"])

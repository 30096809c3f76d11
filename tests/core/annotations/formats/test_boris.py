"""BORIS projects and event exports, in the layouts of several of its versions."""

import json
from typing import Any

import pytest

from egoact.core.annotations.formats.conversion import ReadFile, decode_annotations
from egoact.core.annotations.formats.exchange import Source
from egoact.core.errors import AnnotationError

Events = list[list[Any]]


def project(events: Events, **observation: Any) -> bytes:
    """A project with one observation."""
    behaviours = [("reach", "State event"), ("tap", "Point event"), ("hold", "State event with coding map")]
    values = {
        "project_format_version": "7.0",
        "subjects_conf": {"0": {"key": "1", "name": "Left hand", "description": ""}},
        "behaviors_conf": {
            str(n): {"type": kind, "key": code[0], "code": code, "category": "gross" if code == "hold" else ""}
            for n, (code, kind) in enumerate(behaviours)
        },
        "observations": {
            "visit 1": {
                "file": {"1": ["C:\\videos\\a.mp4"], "2": []},
                "type": "MEDIA",
                "time offset": 0.0,
                "media_info": {"length": {"C:\\videos\\a.mp4": 180.0}, "fps": {"C:\\videos\\a.mp4": 29.97}},
                "independent_variables": {},
                "events": events,
            }
            | observation
        },
    }
    return json.dumps(values).encode()


def read(content: bytes, name: str = "study.boris") -> ReadFile:
    return decode_annotations([Source(name, content)])


def told(read: ReadFile) -> list[tuple[Any, ...]]:
    return [(a.recording, a.start_seconds, a.stop_seconds, a.verb, a.noun, a.hand) for a in read.annotations]


def test_states_are_pairs_and_points_have_no_length() -> None:
    events: Events = [
        [1.0, "Left hand", "reach", "cup", "slow", 30],
        [1.5, "R", "reach", "cup", "", 45],
        [2.0, "", "tap", "None", "", "NA"],
        [2.5, "Left hand", "reach", "cup", "", 75],
        [3.0, "R", "reach", "cup", "", 90],
    ]
    found = read(project(events))
    assert not found.problems
    assert told(found) == [
        ("a", 2.0, 2.0, "tap", "", ""),
        ("a", 1.0, 2.5, "reach", "cup", "left"),
        ("a", 1.5, 3.0, "reach", "cup", "right"),
    ]
    assert [a.note for a in found.annotations] == ["", "slow", ""]
    known = found.annotations.recording("a")
    assert (known.fps, known.duration_seconds) == (29.97, 180.0)


def test_modifiers_are_nouns_hands_and_notes_and_other_subjects_annotators() -> None:
    events: Events = [[1.0, "Anna", "hold", "left|cup|hard", ""], [2.0, "Anna", "hold", "left|cup|hard", ""]]
    (one,) = read(project(events)).annotations
    assert (one.noun, one.hand, one.note, one.annotator, one.tier) == ("cup", "left", "hard", "Anna", "gross")


def test_events_out_of_order_and_subjects_beside_an_annotator() -> None:
    events: Events = [[2.0, "Child", "reach", "", ""], [3.0, "", "tap", "", ""], [1.0, "Child", "reach", "", ""]]
    found = read(project(events, independent_variables={"coder": "Ben"}))
    assert [(a.start_seconds, a.stop_seconds, a.annotator, a.note) for a in found.annotations] == [
        (1.0, 2.0, "Ben", "subject=Child"),
        (3.0, 3.0, "Ben", ""),
    ]


def test_a_state_that_never_stops_is_named_and_the_rest_is_kept() -> None:
    found = read(project([[1.0, "", "reach", "", ""], [2.0, "", "tap", "", ""], ["x", "", "tap", "", ""]]))
    assert [(p.place, p.reason.partition(" and")[0]) for _, p in found.problems] == [
        ("observation 'visit 1', event 3", "not an event of BORIS: time, subject, behaviour, modifiers, comment"),
        ("observation 'visit 1', event 1", "'reach' starts at 1 s"),
    ]
    assert len(found.annotations) == 1


def test_media_that_follow_each_other_have_times_of_their_own() -> None:
    files = {"1": ["a.mp4", "b.mp4"]}
    lengths = {"length": {"a.mp4": 180.0, "b.mp4": 60.0}, "fps": {"a.mp4": 25.0, "b.mp4": 50.0}}
    events: Events = [[170.0, "", "reach", "", ""], [190.0, "", "reach", "", ""], [180.0, "", "tap", "", ""]]
    found = read(project(events, file=files, media_info=lengths))
    assert told(found) == [
        ("b", 0.0, 0.0, "tap", "", ""),
        ("a", 170.0, 180.0, "reach", "", ""),
        ("b", 0.0, 10.0, "reach", "", ""),
    ]
    assert [found.annotations.recording(name).fps for name in "ab"] == [25.0, 50.0]
    unknown = read(project([[1.0, "", "tap", "", ""]], file=files, media_info={}))
    assert [p.reason for _, p in unknown.problems] == [
        "the length of a.mp4 is not known, so neither is what is in the files after it"
    ]


def test_live_observations_are_recordings_of_their_own() -> None:
    events: Events = [[1.5, "", "tap", "", ""], [2.0, "", "reach", "", ""], [2.5, "", "reach", "", ""]]
    found = read(project(events, file=[], type="LIVE", media_info={"offset": {}}))
    assert told(found) == [("visit 1", 1.5, 1.5, "tap", "", ""), ("visit 1", 2.0, 2.5, "reach", "", "")]


def test_an_offset_is_told_and_no_ethogram_is_survived() -> None:
    found = read(project([[1.0, "", "unheard", "", ""]], **{"time offset": 5.0}))
    assert any("time offset of 5 s" in line for line in found.remarks)
    assert any("'unheard' is not in the ethogram" in line for line in found.remarks)
    with pytest.raises(AnnotationError, match="not a BORIS project"):
        read(b"[1, 2]")
    with pytest.raises(AnnotationError, match="line 2: not readable as JSON"):
        read(b'{"observations":\n oh}')
    with pytest.raises(AnnotationError, match="nested more than 50 deep"):
        read(b"[" * 100_000)


AGGREGATED_7 = """Observation id,Observation date,Description,Media file,Total length,FPS,a,Subject,Behavior,\
Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop
o1,2016-12-01,,C:/v/kitchen.mp4,180.0,25.0,1,Left hand,reach,fine,cup,STATE,1.800,8.125,6.325,slow,
o1,2016-12-01,,C:/v/kitchen.mp4,180.0,25.0,1,No focal subject,tap,,,POINT,32.825,32.825,NA,,
o1,2016-12-01,,C:/v/kitchen.mp4,180.0,25.0,1,No focal subject,tap,,,POINT,soon,32.825,NA,,
"""
AGGREGATED_8 = """Observation id\tSource\tMedia duration (s)\tFPS (frame/s)\tSubject\tBehavior\tModifier #1\t\
Modifier #2\tBehavior type\tStart (s)\tStop (s)\tMedia file name\tComment start
o1\tplayer #1:a.mp4;b.mp4\t180.0;60.0\t25.0;30.0\tR\treach\tcup\tNone\tSTATE\t170.0\t175.5\ta.mp4\t
o1\tplayer #1:a.mp4;b.mp4\t180.0;60.0\t25.0;30.0\tR\treach\tcup\tblue\tSTATE\t200.0\t201.5\tb.mp4\t
"""
TABULAR_7 = """Observation id\tobservation #1\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Media file(s)\t\t\t\t\t\t\t\t
Player #1\tv/kitchen.avi\t\t\t\t\t\t\t
Observation date\t2016-11-27 01:57:26\t\t\t\t\t\t\t
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
3.300\tv/kitchen.avi\t359.960\t25.0\tleft\ts\t\t\tSTART
7.750\tv/kitchen.avi\t359.960\t25.0\tleft\ts\t\t\tSTOP
8.000\tv/kitchen.avi\t359.960\t25.0\t\tp\t\tah\tPOINT
9.000\tv/kitchen.avi\t359.960\t25.0\t\ts\t\t\tSTOP
9.900\tv/kitchen.avi\t359.960\t25.0\t\ts\t\t\tSTART
"""
TABULAR_8 = """Observation id,Observation type,Source,Media duration (s),FPS,Subject,Behavior,Behavioral category,\
Behavior type,Time,Media file name,Image index,Image file path,Comment
o1,Live observation,NA,NA,NA,No focal subject,reach,,START,1.5,NA,NA,NA,
o1,Live observation,NA,NA,NA,No focal subject,reach,,STOP,"2,5",NA,NA,NA,
"""


def test_aggregated_exports() -> None:
    found = read(AGGREGATED_7.encode(), "export.csv")
    assert told(found) == [
        ("kitchen", 1.8, 8.125, "reach", "cup", "left"),
        ("kitchen", 32.825, 32.825, "tap", "", ""),
    ]
    assert [(a.tier, a.note) for a in found.annotations] == [("fine", "slow"), ("", "")]
    assert [(p.place, p.reason[:6]) for _, p in found.problems] == [("line 4", "'soon'")]


def test_several_files_and_frame_rates_in_a_cell() -> None:
    found = read(AGGREGATED_8.encode(), "export.tsv")
    assert told(found) == [
        ("a", 170.0, 175.5, "reach", "cup", "right"),
        ("b", 20.0, 21.5, "reach", "cup", "right"),
    ]
    assert [a.note for a in found.annotations] == ["", "blue"]
    assert [found.annotations.recording(name).fps for name in "ab"] == [25.0, 30.0]


def test_tabular_exports() -> None:
    found = read(TABULAR_7.encode("utf-16"), "export.tsv")
    assert told(found) == [("kitchen", 3.3, 7.75, "s", "", "left"), ("kitchen", 8.0, 8.0, "p", "", "")]
    assert found.annotations[1].note == "ah"
    assert [(p.place, p.reason.partition(" s ")[2]) for _, p in found.problems] == [
        ("line 10", "and never started"),
        ("line 11", "and never stops"),
    ]
    assert told(read(TABULAR_8.encode(), "export.csv")) == [("o1", 1.5, 2.5, "reach", "", "")]

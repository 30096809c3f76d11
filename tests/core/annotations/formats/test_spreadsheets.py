"""Spreadsheets of other coders, mappings of their words, and rows that are wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from egoact.core.annotations.formats.annotation import Annotation, Annotations
from egoact.core.annotations.formats.conversion import (
    decode_annotations,
    encode_annotations,
    read_annotations,
    write_annotations,
)
from egoact.core.annotations.formats.exchange import ReadOptions, Source
from egoact.core.annotations.formats.label_words import LabelWords, read_class_numbers, read_mapping
from egoact.core.annotations.formats.syntax.times import parse_timecode, timecode
from egoact.core.annotations.formats.words import parse_hand, recording_name
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import AnnotationError


def told(text: str, words: LabelWords | None = None, **options: Any) -> list[tuple[Any, ...]]:
    found = decode_annotations([Source("visit.csv", text.encode())], options=ReadOptions(**options), words=words)
    assert not found.problems
    return [(a.recording, a.start_seconds, a.stop_seconds, a.verb, a.noun) for a in found.annotations]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("video_id,start_timestamp,stop_timestamp,verb,noun\nvisit.MP4,00:00:01.5,0:03,take,cup\n", {}),
        ("File;Onset (s);Offset (s);Verb;Object\nC:\\v\\visit.avi;1,5;3,0;take;cup\n", {}),
        ("onset_ms\toffset_ms\tverb\tnoun\n1500\t3000\ttake\tcup\n", {}),
        ("Start;Duration;Verb;Noun\n1,5;1,5;take;cup\n", {}),
        ("start_frame,stop_frame,verb,noun\n46,91,take,cup\n", {"fps": 30.0}),
        ("start_frame,stop_frame,fps,verb,noun\n46,91,30,take,cup\n", {}),
        ("Start,End,Verb,Noun\n00:00:01:15,00:00:03:00,take,cup\n", {"fps": 30.0}),
        ("Start,End,What,With\n1.5,3,take,cup\n", {"verb_tier": "What", "noun_tier": "With"}),
        ("\n\nStart,End,Verb,Noun\n\n1.5,3,take,cup\n,,,\n", {}),
    ],
)
def test_columns_of_other_coders(text: str, options: dict[str, Any]) -> None:
    options = {"verb_tier": None, "noun_tier": None} | options
    assert told(text, **options) == [("visit", 1.5, 3.0, "take", "cup")]


def test_a_row_without_a_stop_is_a_point_and_wrong_rows_are_named() -> None:
    text = "start,stop,verb,hand\n1,,tap,L\nsoon,2,tap,R\n3,2,tap,R\n1,2,tap,R,what\n4,5,tap,wrist\n"
    found = decode_annotations([Source("visit.csv", text.encode())])
    assert [(a.start_seconds, a.stop_seconds, a.hand) for a in found.annotations] == [(1, 1, "left"), (4, 5, "")]
    assert [(name, p.place) for name, p in found.problems] == [
        ("visit.csv", "line 5"),
        ("visit.csv", "line 3"),
        ("visit.csv", "line 4"),
    ]
    assert found.lines[1].startswith("visit.csv, line 3: 'soon' is not a time")
    assert "'wrist' is not left, right or both" in found.lines[-1]
    encoded = encode_annotations(found.annotations, "segments")
    assert encoded.num_lost == 1 and "1 point event" in encoded.lines[-1]
    assert encode_annotations(found.annotations, "segments", point_seconds=1.0).num_lost == 0


def test_missing_columns_are_told() -> None:
    with pytest.raises(AnnotationError, match="no columns of start and stop; the columns are: video_id, verb"):
        decode_annotations([Source("a.csv", b"video_id,verb\na,take\n")], format_name="segments")
    with pytest.raises(AnnotationError, match="no column 'What'"):
        decode_annotations([Source("a.csv", b"start,stop,verb\n1,2,take\n")], options=ReadOptions(verb_tier="What"))
    with pytest.raises(AnnotationError, match="give --fps"):
        decode_annotations([Source("a.csv", b"start_frame,stop_frame,verb\n1,2,take\n")])


def test_labels_are_whole_or_taken_apart_or_mapped(tmp_path: Path) -> None:
    text = "start,stop,action\n1,2,grab the cup\n2,3,idle\n3,4,pour milk\n"
    whole = LabelWords()
    assert [row[3:] for row in told(text, whole)] == [("grab the cup", ""), ("idle", ""), ("pour milk", "")]
    assert whole.remarks == ["2 labels of several words became verbs as a whole; --split makes them verb and noun"]
    assert [row[3:] for row in told(text, LabelWords(is_split=True))][0] == ("grab", "the cup")
    (tmp_path / "map.csv").write_text("label,verb,noun\nGrab  the cup,take,cup\nidle,,\n", encoding="utf-8")
    mapped = LabelWords(read_mapping(tmp_path / "map.csv"), is_split=True)
    assert [row[3:] for row in told(text, mapped)] == [("take", "cup"), ("pour", "milk")]
    assert mapped.remarks == [
        "1 segment left out, whose labels the mapping leaves empty",
        "words that --classes does not have stay as they are: 'pour milk'",
    ]


def test_verb_and_noun_are_mapped_each_for_itself(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("label,verb,noun\ngrab,take,\nmug,,cup\nlock,,\n", encoding="utf-8")
    text = "start,stop,verb,noun,verb_class\n1,2,grab,mug,3\n2,3,grab,door,3\n3,4,lock,door,4\n"
    words = LabelWords(read_mapping(tmp_path / "map.csv"))
    found = decode_annotations([Source("a.csv", text.encode())], words=words).annotations
    assert [(a.verb, a.noun, a.verb_class) for a in found] == [("take", "cup", None), ("take", "door", None)]
    (tmp_path / "map.csv").write_text("label,verb\ngrab,take\nGrab,put\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="'Grab' has two meanings"):
        read_mapping(tmp_path / "map.csv")


def test_ids_and_participants_are_whole_where_some_are_missing(tmp_path: Path) -> None:
    def item(identity: str, verb: str = "take") -> Annotation:
        return Annotation(
            recording="P01_x",
            start_seconds=1,
            stop_seconds=2,
            verb=verb,
            identity=identity,
            participant=identity and "P9",
        )

    items = Annotations((item("P01_x_0"), item(""), item("P01_x_0"), item("z")))
    for name in ("segments", "epic"):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(encode_annotations(items, name).files[""])
        table = read_segments(path)
        assert [s.narration_id for s in table] == ["P01_x_0", "P01_x_1", "P01_x_2", "z"]
        assert [s.participant_id for s in table] == ["P9", "P01", "P9", "P9"]


def test_participants_that_the_recording_names_are_no_loss() -> None:
    one = Annotation(recording="P01_x", start_seconds=1, stop_seconds=2, verb="take", participant="P01")
    assert not encode_annotations(Annotations((one,)), "boris").lines
    other = encode_annotations(Annotations((replace(one, participant="P9"),)), "boris")
    assert other.lines == ("participants of 1 segment cannot be kept in BORIS projects",)


def test_our_reader_takes_the_apostrophe_before_a_formula_away(tmp_path: Path) -> None:
    item = Annotation(recording="a", start_seconds=0, stop_seconds=1, verb="=1+1", noun="'til", note="-5")
    text = encode_annotations(Annotations((item,)), "segments").files[""]
    assert b"'=1+1" in text and b",'til" in text and b",-5" in text
    (tmp_path / "a.csv").write_bytes(text)
    assert [(s.verb, s.noun) for s in read_segments(tmp_path / "a.csv")] == [("=1+1", "'til")]


def test_timecodes_drop_numbers_as_smpte_says() -> None:
    assert parse_timecode("00;01;00;02", fps=29.97) == pytest.approx(1800 / (30000 / 1001))
    assert parse_timecode("00;10;00;00", fps=29.97) == pytest.approx(17982 / (30000 / 1001))
    assert parse_timecode("01:00:00:00", fps=25) == 3600
    assert timecode(3599.98, fps=25) == "00:59:59:24" or timecode(3599.98, fps=25) == "01:00:00:00"
    with pytest.raises(ValueError, match="25 frames per second"):
        parse_timecode("00:00:00:25", fps=25)


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("a.b.mp4", "a.b"),
        ("C:\\v\\P01_01.MTS", "P01_01"),
        ("/data/upload/3/k%20x.mp4", "k x"),
        ("take 1.2", "take 1.2"),
    ],
)
def test_recordings_are_called_like_their_files(media: str, name: str) -> None:
    assert recording_name(media) == name


def test_hands_have_many_names() -> None:
    assert [parse_hand(w) for w in ("LH", "Right_Hand", "hand-L", "both hands", "L & R", "lever", "")] == [
        *("left", "right", "left", "both", "both", "", "")
    ]


def test_class_files_tell_numbers_and_words_of_several_classes_have_none(tmp_path: Path) -> None:
    rows = "id,key,instances\n0,take,\"['take', 'grab', 'get']\"\n1,put,\"['put', 'get']\"\n"
    (tmp_path / "verb_classes.csv").write_text(rows, encoding="utf-8")
    words = LabelWords(class_numbers=read_class_numbers(tmp_path))
    text = "start,stop,verb,verb_class\n1,2,grab,\n2,3,put,7\n3,4,get,\n4,5,,\n"
    found = decode_annotations([Source("a.csv", text.encode())], words=words).annotations
    assert [(a.verb, a.verb_class) for a in found] == [("grab", 0), ("put", 7), ("get", None), ("", None)]
    assert words.remarks == ["words that --classes does not have stay as they are: 'get'"]
    with pytest.raises(AnnotationError, match="no verb classes here"):
        read_class_numbers(tmp_path / "..")


def test_what_a_table_has_beside_actions_is_told() -> None:
    text = "start,stop,verb,mood,all_nouns\n1,2,take,good,\"['cup', 'lid']\"\n2,3,put,,['cup']\n"
    found = decode_annotations([Source("a.csv", text.encode())])
    assert found.remarks == (
        "a.csv: columns left out: mood",
        "a.csv: further nouns of 1 segment left out",
    )


def test_tsv_has_tabs_and_folders_only_give_files_of_annotations(tmp_path: Path) -> None:
    item = Annotation(recording="a", start_seconds=0, stop_seconds=1, verb="take")
    for name in ("segments", "epic", "boris-events"):
        (path,), _ = write_annotations(Annotations((item,)), tmp_path / f"{name}.tsv", format_name=name)
        assert path.read_text(encoding="utf-8").count("\t") > 4
    (tmp_path / "a.mp4").write_bytes(b"\x00" * 100)
    assert len(read_annotations([tmp_path]).annotations) == 3
    with pytest.raises(AnnotationError, match="no files of annotations"):
        read_annotations([tmp_path], format_name="elan")

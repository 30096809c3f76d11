"""Audacity, Premiere, WebVTT, SubRip, MS-TCN, Datavyu, VIA exports and CVAT, in the layouts that these tools write."""

from typing import Any

import pytest

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.conversion import ReadFile, decode_annotations, encode_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source, WriteOptions
from egoact.core.annotations.formats.label_words import LabelWords
from egoact.core.errors import AnnotationError


def read(text: str, name: str, *, split: bool = False, encoding: str = "utf-8", **options: Any) -> ReadFile:
    source = Source(name, text.encode(encoding))
    return decode_annotations([source], options=ReadOptions(**options), words=LabelWords(is_split=split))


def told(found: ReadFile) -> list[tuple[Any, ...]]:
    return [
        (a.recording, round(a.start_seconds, 6), round(a.stop_seconds, 6), a.verb, a.noun) for a in found.annotations
    ]


def problems(found: ReadFile) -> list[str]:
    return [problem.place for _, problem in found.problems]


def test_audacity_has_points_frequencies_and_decimal_commas() -> None:
    text = "0.000000\t1.500000\ttake cup\n\\\t100.0\t200.0\n2,5\t2,5\tknock\n3.0\t\tbad\n4\t3\tbackwards\n5\t6\n"
    found = read(text, "k.txt", split=True)
    assert told(found) == [
        ("k", 0.0, 1.5, "take", "cup"),
        ("k", 2.5, 2.5, "knock", ""),
        ("k", 5.0, 6.0, "", ""),
    ]
    assert problems(found) == ["line 4", "line 5"]


PREMIERE = """Marker Name\tDescription\tIn\tOut\tDuration\tMarker Type\t
take cup\tslowly\t00:00:01:12\t00:00:02:00\t00:00:00:13\tComment\t
\tno name\t00:00:03:00\t00:00:03:00\t00:00:00:00\tComment\t
x\t\t00:00:03:25\t00:00:04:00\t00:00:00:00\tComment\t
"""


def test_premiere_has_timecodes_in_utf_16() -> None:
    found = read(PREMIERE, "k.csv", encoding="utf-16", fps=25.0)
    assert told(found) == [("k", 1.48, 2.0, "take cup", ""), ("k", 3.0, 3.0, "no name", "")]
    assert [a.note for a in found.annotations] == ["slowly", ""]
    assert problems(found) == ["line 4"]
    dropped = read("Marker Name\tIn\tOut\nx\t00;01;00;02\t00;10;00;00\n", "k.csv", fps=29.97)
    assert told(dropped)[0][1:3] == (round(1800 * 1001 / 30000, 6), round(17982 * 1001 / 30000, 6))
    with pytest.raises(AnnotationError, match="frame rate of k is not known"):
        read(PREMIERE, "k.csv")


VTT = """WEBVTT - labels
Kind: captions

NOTE
made by hand --> or not

STYLE
::cue { color: lime }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Anna><b>take</b> cup &amp; lid

01:00:00.000 --> 01:00:01.000
open
door

00:03.000 --> 00:0x.000
broken
"""


def test_webvtt_has_settings_tags_entities_and_notes() -> None:
    found = read(VTT, "k.vtt", split=True)
    assert told(found) == [("k", 1.0, 2.5, "take", "cup & lid"), ("k", 3600.0, 3601.0, "open", "door")]
    assert problems(found) == ["line 18"]
    srt = read("1\n00:00:01,000 --> 00:00:02,500\ntake cup\n\n2\n00:00:03,000 --> 00:00:04,000\nput\n", "k.srt")
    assert told(srt) == [("k", 1.0, 2.5, "take cup", ""), ("k", 3.0, 4.0, "put", "")]


def test_a_label_cannot_break_out_of_its_cue() -> None:
    item = Annotation(recording="k", start_seconds=0, stop_seconds=1, verb="a --> b", noun="<v x>")
    text = encode_annotations(Annotations((item,)), "webvtt").files["k"].decode()
    assert text.count("-->") == 1
    assert read(text, "k.vtt").annotations[0].verb == "a --> b <v x>"


def test_mstcn_has_a_label_a_frame_and_several_words_for_nothing() -> None:
    lines = ["SIL"] * 5 + ["take_cup"] * 10 + ["pour_milk_to_cup"] * 5 + ["action_end"] * 2 + ["nix"] * 3
    found = read("\n".join(lines), "P03_cereals.txt", split=True, fps=10.0, background="nix")
    assert told(found) == [
        ("P03_cereals", 0.5, 1.5, "take", "cup"),
        ("P03_cereals", 1.5, 2.0, "pour", "milk_to_cup"),
    ]


def test_mstcn_says_what_ran_together_covered_no_frame_or_was_cut() -> None:
    def item(start: float, stop: float, verb: str) -> Annotation:
        return Annotation(recording="k", start_seconds=start, stop_seconds=stop, verb=verb)

    items = (item(0, 1, "a"), item(1, 2, "a"), item(3, 6, "b"), item(4, 5, "c"), item(7, 7.001, "d"))
    made = encode_annotations(
        Annotations(items, {"k": Recording("k", fps=10.0, duration_seconds=8.0)}), "mstcn", options=WriteOptions()
    )
    lines = made.files["k"].decode().split()
    assert len(lines) == 80 and lines[:20] == ["a"] * 20 and lines[30:60] == ["b"] * 10 + ["c"] * 10 + ["b"] * 10
    assert made.num_lost == 2
    assert made.lines == (
        "1 annotation left without a frame",
        "1 annotation joined to an equal one before",
        "one label a frame: 1 overlap cut annotations in two",
    )
    with pytest.raises(AnnotationError, match="frame rate of k is not known; give --fps or --media"):
        encode_annotations(Annotations(items), "mstcn")


DATAVYU = """trial.ordinal,trial.onset,trial.offset,trial.code01,verb.ordinal,verb.onset,verb.offset,verb.v,\
noun.ordinal,noun.onset,noun.offset,noun.n
1,0,60000,first,1,1500,2750,take,1,1500,2750,cup
,,,,2,3000,3000,knock,,,,
,,,,3,x,4000,push,,,,
"""
SCRIPT = """file,column,onset,offset,ordinal,hand,what
visit.opf,reach,1500,2750,1,L,cup
visit.opf,reach,3000,0,2,,
visit.opf,reach,3000,2000,3,,
"""


def test_datavyu_has_columns_beside_each_other_or_one_a_file() -> None:
    found = read(DATAVYU, "k.csv")
    assert told(found) == [
        ("k", 0.0, 60.0, "first", ""),
        ("k", 1.5, 2.75, "take", "cup"),
        ("k", 3.0, 3.0, "knock", ""),
    ]
    assert found.annotations[0].tier == "trial" and problems(found) == ["line 4"]
    script = read(SCRIPT, "reach__visit.csv")
    assert told(script) == [("visit", 1.5, 2.75, "cup", ""), ("visit", 3.0, 3.0, "", "")]
    assert problems(script) == ["line 4"]
    assert [(a.hand, a.tier) for a in script.annotations] == [("left", "reach"), ("", "reach")]


VIA_CSV = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# SHAPE_ID = {"POINT":1,"RECTANGLE":2}
# ATTRIBUTE = {"1":{"aname":"verb","type":1,"options":{}},"2":{"aname":"thing","type":3,"options":{"0":"cup"}}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_a","[""kitchen 1.mp4""]",0,"[1.124,5.31493]","[]","{""1"":""take"",""2"":""0""}"
"1_b","[""kitchen 1.mp4""]",0,"[2.41892]","[2,162.262,176.2,639.4,192.4]","{""1"":""AOI""}"
"1_c","[""kitchen 1.mp4""]",0,"[7]","[]","{""1"":""knock""}"
"1_d","[""kitchen 1.mp4""]",0,"[7,","[]","{}"
"""
OLD_VIA_CSV = """# Exported using VGG Image Annotator
# CSV_HEADER = metadata_id, file_list, temporal_segment_start, temporal_segment_end, metadata
"1","[""a.mp4""]",1.5,2.5,"{""TEMPORAL-SEGMENTS"":""open""}"
"""


def test_via_exports_that_a_spreadsheet_program_saved() -> None:
    lines = VIA_CSV.splitlines()
    quoted = ['"' + line.replace('"', '""') + '",,,,,' if line.startswith("#") else line for line in lines]
    found = read("\n".join(quoted), "via.csv", noun_tier="thing")
    assert told(found)[0] == ("kitchen 1", 1.124, 5.31493, "take", "cup")


def test_via_exports_of_both_layouts() -> None:
    found = read(VIA_CSV, "via.csv", noun_tier="thing")
    assert told(found) == [("kitchen 1", 1.124, 5.31493, "take", "cup"), ("kitchen 1", 7.0, 7.0, "knock", "")]
    assert problems(found) == ["line 8"]
    assert told(read(OLD_VIA_CSV, "via.csv")) == [("a", 1.5, 2.5, "open", "")]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>1</id><name>study</name><size>100</size><mode>interpolation</mode>
<source>kitchen.mp4</source></task></meta>
<track id="0" label="person" source="manual">
{boxes}
</track>
<track id="1" label="open" source="manual"><box frame="x" outside="0"/></track>
</annotations>
"""


def box(frame: int, outside: int, action: str) -> str:
    place = f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="2" ybr="2">'
    return f'{place}<attribute name="action">{action}</attribute></box>'


def test_cvat_tracks_are_stretches_in_view_with_the_same_attributes() -> None:
    boxes = [box(0, 0, "take"), box(10, 0, "take"), box(20, 0, "put"), box(30, 1, "put"), box(50, 0, "go")]
    found = read(CVAT.format(boxes="\n".join(boxes)), "job.xml", fps=10.0)
    assert told(found) == [
        ("kitchen", 0.0, 2.0, "take", ""),
        ("kitchen", 2.0, 3.0, "put", ""),
        ("kitchen", 5.0, 5.1, "go", ""),
    ]
    assert {a.note for a in found.annotations} == {"label=person"}
    assert problems(found) == ["track 1"]
    with pytest.raises(AnnotationError, match="document type or entities"):
        read(CVAT.format(boxes="").replace("<annotations>", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>'), "job.xml")


def test_cvat_tags_of_images_in_a_row_are_a_stretch() -> None:
    tags = {3: "open", 4: "open", 6: "open"}
    images = "".join(f'<image id="{n}" name="f{n}"><tag label="{label}"/></image>' for n, label in tags.items())
    found = read(f"<annotations><meta><task><name>k</name></task></meta>{images}</annotations>", "k.xml", fps=1.0)
    assert told(found) == [("k", 3.0, 5.0, "open", ""), ("k", 6.0, 7.0, "open", "")]

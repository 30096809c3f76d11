"""ELAN documents and tab-delimited text: tiers to be merged, media offsets, and XML that means harm."""

from typing import Any

import pytest

from egoact.core.annotations.formats.conversion import ReadFile, decode_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source
from egoact.core.errors import AnnotationError

pytest.importorskip("pympi", reason="pympi-ling (extra formats) reads and writes ELAN documents")

SCHEMA = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="EAFv3.0.xsd"'


def document(tiers: dict[str, list[tuple[int | None, int, str]]], *, origin: int = 0, attributes: str = "") -> bytes:
    """An EAF 3.0 document."""
    slots, texts = [], []
    for tier, stretches in tiers.items():
        inside = []
        for start, stop, word in stretches:
            for value in (start, stop):
                time = "" if value is None else f' TIME_VALUE="{value}"'
                slots.append(f'<TIME_SLOT TIME_SLOT_ID="ts{len(slots) + 1}"{time}/>')
            n = len(slots)
            inside.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" TIME_SLOT_REF1="ts{n - 1}" '
                f'TIME_SLOT_REF2="ts{n}"><ANNOTATION_VALUE>{word}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>'
            )
        texts.append(f'<TIER LINGUISTIC_TYPE_REF="lt" TIER_ID="{tier}" {attributes}>{"".join(inside)}</TIER>')
    media = f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/v/kitchen%201.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="{origin}"/>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT AUTHOR="" DATE="" FORMAT="3.0" VERSION="3.0" '
        f'{SCHEMA}><HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}</HEADER>'
        f"<TIME_ORDER>{''.join(slots)}</TIME_ORDER>{''.join(texts)}"
        f'<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="lt" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>'
    ).encode()


def read(content: bytes, name: str = "kitchen.eaf", **options: Any) -> ReadFile:
    return decode_annotations([Source(name, content)], options=ReadOptions(**options))


def told(found: ReadFile) -> list[tuple[Any, ...]]:
    return [(a.start_seconds, a.stop_seconds, a.verb, a.noun) for a in found.annotations]


def test_verbs_and_nouns_of_separate_tiers_are_merged_by_overlap() -> None:
    tiers = {
        "verb": [(0, 1000, "take"), (1000, 2000, "pour"), (5000, 6000, "wait")],
        "noun": [(30, 1990, "cup"), (1900, 2200, "milk"), (8000, 9000, "door")],
    }
    found = read(document(tiers))
    assert {a.recording for a in found.annotations} == {"kitchen 1"}
    assert told(found) == [
        (0.0, 1.0, "take", "cup"),
        (1.0, 2.0, "pour", "cup"),
        (5.0, 6.0, "wait", ""),
        (1.9, 2.2, "", "milk"),
        (8.0, 9.0, "", "door"),
    ]


@pytest.mark.parametrize("names", ["{role}@left", "left hand {role}", "LH_{role}", "{role}s@Left hand"])
def test_names_of_tiers_tell_the_hand(names: str) -> None:
    tiers = {"verb": [(0, 1000, "hold")], names.format(role="verb"): [(0, 1000, "take")]}
    found = read(document(tiers | {names.format(role="noun"): [(0, 1000, "cup")]}))
    assert [(a.verb, a.noun, a.hand, a.tier) for a in found.annotations] == [
        ("hold", "", "", ""),
        ("take", "cup", "left", ""),
    ]


def test_verbs_and_nouns_may_be_coded_by_different_people() -> None:
    content = document({"verb": [(0, 1000, "take")], "noun": [(0, 1000, "cup")]}, attributes='ANNOTATOR="Anna"')
    found = read(content.replace(b'"Anna"', b'"Ben"', 1))
    assert told(found) == [(0.0, 1.0, "take", "cup")]


def test_a_verb_over_several_nouns_is_one_action_with_each() -> None:
    tiers = {"Action codes": [(0, 4000, "take")], "Things": [(0, 1500, "cup"), (1500, 4000, "plate")]}
    found = read(document(tiers), verb_tier="action codes", noun_tier="Things")
    assert told(found) == [(0.0, 1.5, "take", "cup"), (1.5, 4.0, "take", "plate")]
    with pytest.raises(AnnotationError, match="no tier 'Verbs'; the tiers are: Action codes, Things"):
        read(document(tiers), verb_tier="Verbs")


def test_other_tiers_are_labels_of_their_own_or_left_out_and_named() -> None:
    tiers = {"LH": [(0, 1000, "take cup")], "gaze": [(0, 500, "left side")]}
    labels = read(document(tiers, attributes='ANNOTATOR="Anna"'))
    assert [(a.verb, a.hand, a.tier, a.annotator) for a in labels.annotations] == [
        ("take cup", "left", "LH", "Anna"),
        ("left side", "", "gaze", "Anna"),
    ]
    chosen = read(document(tiers | {"n": [(0, 1000, "cup")]}), verb_tier="LH", noun_tier="n")
    assert told(chosen) == [(0.0, 1.0, "take cup", "cup")]
    assert "1 annotation of other tiers left out: gaze" in chosen.remarks


def test_times_begin_at_the_origin_of_the_media_and_with_the_offset() -> None:
    content = document({"verb": [(500, 1000, "take")]}, origin=1230)
    assert told(read(content)) == [(1.73, 2.23, "take", "")]
    assert told(read(content, media_offset_seconds=-1.23)) == [(0.5, 1.0, "take", "")]
    cut = read(content, media_offset_seconds=-2.0)
    assert told(cut) == [(0.0, 0.23, "take", "")] and "is cut there" in cut.remarks[-1]
    assert [p.reason for _, p in read(content, media_offset_seconds=-3.0).problems] == [
        "it starts at -1.27 s, before the recording"
    ]


def test_annotations_that_refer_to_others_have_their_times() -> None:
    content = document({"verb": [(0, 1000, "take"), (2000, 3000, "put")]}).decode()
    child = (
        '<TIER LINGUISTIC_TYPE_REF="lt" TIER_ID="noun" PARENT_REF="verb"><ANNOTATION><REF_ANNOTATION '
        'ANNOTATION_ID="a9" ANNOTATION_REF="a4"><ANNOTATION_VALUE>cup</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>'
        "</TIER><LINGUISTIC_TYPE "
    )
    assert told(read(content.replace("<LINGUISTIC_TYPE ", child, 1).encode())) == [
        (0.0, 1.0, "take", ""),
        (2.0, 3.0, "put", "cup"),
    ]
    lost = read(content.replace("<LINGUISTIC_TYPE ", child.replace('"a4"', '"a7"'), 1).encode())
    assert [(p.place, p.reason) for _, p in lost.problems] == [
        ("tier 'noun', annotation a9", "the annotation a7 it refers to has no times")
    ]


def test_what_is_not_aligned_is_named() -> None:
    found = read(document({"verb": [(None, 1000, "take"), (2000, 3000, "put")]}))
    assert [p.place for _, p in found.problems] == ["tier 'verb', annotation a2"]
    assert told(found) == [(2.0, 3.0, "put", "")]


@pytest.mark.parametrize(
    "harm",
    [
        '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">',
    ],
)
def test_xml_with_a_document_type_is_refused(harm: str) -> None:
    content = document({"verb": [(0, 1000, "take")]}).decode().replace("?><", f"?>{harm}<", 1)
    with pytest.raises(AnnotationError, match="document type or entities"):
        read(content.encode())


def test_damaged_or_endless_xml_is_one_clear_error() -> None:
    with pytest.raises(AnnotationError, match="line 1: not well-formed XML"):
        read(document({"verb": [(0, 1000, "take")]})[:-30])
    with pytest.raises(AnnotationError, match="line 1: not well-formed XML: unbound prefix"):
        read(b"<a:b/>")
    with pytest.raises(AnnotationError, match="nested more than 100 deep"):
        read(b"<ANNOTATION_DOCUMENT>" + b"<a>" * 5000)
    with pytest.raises(AnnotationError, match="not an ELAN document"):
        read(f"<ANNOTATION_DOCUMENT {SCHEMA}><TIER/></ANNOTATION_DOCUMENT>".encode())


FULL = """"#file:///C:/v/kitchen.mp4 -- offset: 1230"
verb\tAnna\t00:00:01.500\t1.5\t00:00:02.750\t2.75\t00:00:01.250\t1.25\ttake
noun\tAnna\t00:00:01.500\t1.5\t00:00:02.750\t2.75\t00:00:01.250\t1.25\tcup
verb\tAnna\tx\t1.5\t00:00:02.750\t2.75\t00:00:01.250\t1.25\ttake
"""
COLUMNS = """Begin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tverb\tnoun\tFile
00:00:01.500\t00:00:02.750\ttake\tcup\tk.eaf
00:01:00.000\t00:01:01.000\tput\t\tk.eaf
"""


def test_text_without_a_header_and_with_the_offset_of_the_media() -> None:
    found = read(FULL.encode(), "export.txt")
    assert told(found) == [(1.5, 2.75, "take", "cup")]
    assert [(a.recording, a.annotator) for a in found.annotations] == [("kitchen", "Anna")]
    assert any("--media-offset 1.23" in line for line in found.remarks)
    assert [p.place for _, p in found.problems] == ["line 4"]
    moved = read(FULL.encode(), "export.txt", media_offset_seconds=1.23)
    assert told(moved) == [(2.73, 3.98, "take", "cup")] and not moved.remarks


@pytest.mark.parametrize("times", ["1500\t2750", "1.5\t2.75\t1.25", "00:00:01.500\t1500\t00:00:02.750\t2750"])
def test_text_with_fewer_columns(times: str) -> None:
    assert told(read(f"verb\t\t{times}\ttake\n".encode(), "k.txt")) == [(1.5, 2.75, "take", "")]


def test_text_with_a_column_a_tier() -> None:
    found = read(COLUMNS.encode(), "export.txt")
    assert told(found) == [(1.5, 2.75, "take", "cup"), (60.0, 61.0, "put", "")]
    assert found.annotations[0].recording == "k"

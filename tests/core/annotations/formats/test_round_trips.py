"""Every format gives back what it was given, as far as it can hold it, and says what it cannot."""

import csv
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.catalogue import FORMATS, Format, choose, recognise
from egoact.core.annotations.formats.conversion import (
    Encoded,
    ReadFile,
    decode_annotations,
    encode_annotations,
    read_annotations,
    write_annotations,
)
from egoact.core.annotations.formats.exchange import ReadOptions, Source, WriteOptions
from egoact.core.annotations.formats.label_words import LabelWords
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import AnnotationError

pytest.importorskip("pympi", reason="pympi-ling (extra formats) reads and writes ELAN documents")

FPS = 25.0
FIELDS = tuple(field.name for field in fields(Annotation))
RECORDINGS = {name: Recording(name, f"{name}.mp4", FPS, 60.0) for name in ("kitchen_1", "kitchen 2")}
IN_FRAMES = ("mstcn", "label-studio", "cvat", "premiere")
ALWAYS_KEPT = ("recording", "start_seconds", "stop_seconds", "place")


def sample() -> list[Annotation]:
    """Two recordings and hands, overlaps, words that spreadsheets would compute, a point, and somebody's remarks."""
    return [
        Annotation(recording="kitchen_1", start_seconds=0.0, stop_seconds=1.0, verb="take", noun="cup", hand="left"),
        Annotation(recording="kitchen_1", start_seconds=1.0, stop_seconds=2.4, verb="take", noun="cup", hand="left"),
        Annotation(recording="kitchen_1", start_seconds=0.6, stop_seconds=2.0, verb="open", noun="tür", hand="right"),
        Annotation(
            recording="kitchen_1",
            start_seconds=3.0,
            stop_seconds=4.0,
            verb="pour",
            note='too "fast", twice',
            hand="both",
        ),
        Annotation(recording="kitchen_1", start_seconds=5.0, stop_seconds=6.04, verb="=cmd", noun="@home"),
        Annotation(recording="kitchen 2", start_seconds=10.0, stop_seconds=59.0, verb="stir", annotator="Anna"),
        Annotation(recording="kitchen 2", start_seconds=10.0, stop_seconds=11.0, verb="stir", annotator="Ben"),
        Annotation(recording="kitchen 2", start_seconds=12.0, stop_seconds=12.0, verb="knock", noun="door"),
        Annotation(recording="kitchen 2", start_seconds=13.0, stop_seconds=14.0, verb="walk", tier="locomotion"),
        Annotation(recording="kitchen 2", start_seconds=20.0, stop_seconds=21.0, verb="dry", verb_class=7, noun="pan"),
        Annotation(
            recording="kitchen 2",
            start_seconds=22.0,
            stop_seconds=23.0,
            verb="put-down",
            noun="pan",
            description="put it",
        ),
    ]


def encode(items: list[Annotation], name: str) -> Encoded:
    return encode_annotations(
        Annotations(tuple(items), RECORDINGS), name, options=WriteOptions(fps=FPS), point_seconds=0.04
    )


def decode(encoded: Encoded, name: str | None = None) -> ReadFile:
    sources = [Source(f"{recording or 'all'}{encoded.suffix}", content) for recording, content in encoded.files.items()]
    return decode_annotations(sources, format_name=name, options=ReadOptions(fps=FPS), words=LabelWords(is_split=True))


def expected(item: Annotation, one: Format) -> Annotation:
    """What is left of an annotation in a format."""
    kept = one.keeps | set(ALWAYS_KEPT) | ({"verb", "noun"} if one.separator else set())
    blank = {field: None if field.endswith("_class") else "" for field in FIELDS if field not in kept}
    least = 0.0 if one.has_points else 0.04
    return replace(item, **blank, stop_seconds=max(item.stop_seconds, item.start_seconds + least))


def rounded(item: Annotation) -> tuple[object, ...]:
    times = (round(item.start_seconds, 3), round(item.stop_seconds, 3))
    others = [
        field for field in FIELDS if field not in ("start_seconds", "stop_seconds", "place", "identity", "participant")
    ]
    return (item.recording, *times, *(getattr(item, field) for field in others))


def order(items: list[Annotation]) -> list[tuple[object, ...]]:
    return sorted(map(rounded, items), key=repr)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_can_hold_comes_back(name: str) -> None:
    one = FORMATS[name]
    items = (
        sample()
        if name != "mstcn"
        else [i for i in sample() if not i.is_point and i.hand != "right" and i.annotator != "Ben"]
    )
    if name == "mstcn":  # one label a frame, and no end between two that are equal
        items = [replace(i, start_seconds=1.2) if i.start_seconds == 1.0 else i for i in items]
        items = [replace(i, stop_seconds=11.0) if i.annotator == "Anna" else i for i in items]
    encoded = encode(items, name)
    read = decode(encoded, name)
    assert not read.problems and not encoded.num_lost
    assert order(list(read.annotations)) == order([expected(item, one) for item in items])


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_cannot_hold_is_said_once_a_kind(name: str) -> None:
    one, lines = FORMATS[name], encode(sample(), name).lines
    counts = {"hand": ("hands", 4), "note": ("notes", 1), "annotator": ("annotators", 2), "tier": ("tiers", 1)}
    for field, (words, count) in counts.items():
        told = [line for line in lines if line.startswith(f"{words} of {count} segment")]
        assert len(told) == (field not in one.keeps), (field, lines)
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_recognised_by_its_content(name: str) -> None:
    encoded = encode(sample(), name)
    for recording, content in encoded.files.items():
        assert recognise(Source(f"{recording or 'all'}{encoded.suffix}", content)) == name


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_annotations_are_the_same_bytes(name: str) -> None:
    assert encode(sample(), name).files == encode(sample(), name).files


@pytest.mark.parametrize("name", FORMATS)
def test_recordings_without_annotations_survive_or_are_left_out_without_an_error(name: str) -> None:
    encoded = encode([], name)
    assert encoded.num_lost == 0
    if name not in ("epic", "segments"):  # there a file has rows
        for source in [Source(f"{r or 'all'}{encoded.suffix}", c) for r, c in encoded.files.items()]:
            assert not decode_annotations([source], format_name=name, options=ReadOptions(fps=FPS)).annotations.items


WORDS = st.text(st.sampled_from("aé=+-@,;'\"\t<&>|#_.7 "), min_size=1, max_size=6).map(lambda t: " ".join(t.split()))
TIMES = st.integers(0, 500).map(lambda frame: frame / FPS)


@st.composite
def annotations(draw: st.DrawFn) -> list[Annotation]:
    found, start = [], 0.0
    for _ in range(draw(st.integers(1, 5))):
        start += draw(TIMES) + 0.04
        stop = start + draw(TIMES) + 0.04
        found.append(
            Annotation(
                recording=draw(st.sampled_from(sorted(RECORDINGS))),
                start_seconds=round(start, 9),
                stop_seconds=round(stop, 9),
                verb=draw(WORDS.filter(lambda word: word not in ("", "|"))),
                hand=draw(st.sampled_from(["", "left", "right", "both"])),
                note=draw(WORDS),
            )
        )
        start = draw(st.sampled_from([start, stop]))
    return found


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if not one.separator])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(items=annotations())
def test_any_words_come_back(name: str, items: list[Annotation]) -> None:
    one = FORMATS[name]
    read = decode(encode(items, name), name)
    assert not read.problems
    assert order(list(read.annotations)) == order([expected(item, one) for item in items])


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if ".csv" in one.suffixes])
def test_no_cell_of_a_csv_is_a_formula(name: str) -> None:
    content = next(content for name, content in encode(sample(), name).files.items() if name != "kitchen 2")
    lines = [line for line in content.decode().splitlines() if not line.startswith("#")]
    cells = [cell for row in csv.reader(lines, delimiter="\t" if name == "premiere" else ",") for cell in row]
    assert any("=cmd" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]


@pytest.mark.parametrize("name", FORMATS)
def test_everything_reaches_training(name: str, tmp_path: Path) -> None:
    items = [i for i in sample() if i.recording == "kitchen_1" and i.hand != "right"]
    read = decode(encode(items, name), name)
    paths, encoded = write_annotations(read.annotations, tmp_path / "labels.csv")
    assert encoded.num_lost == 0
    table = read_segments(paths[0])
    assert [(s.video_id, s.verb, s.noun) for s in table][0] == ("kitchen_1", "take", "cup")
    assert abs(table[0].stop_seconds - 1.0) < 1e-6 or name == "mstcn"


def test_files_and_folders_are_written_whole_and_not_replaced(tmp_path: Path) -> None:
    both = Annotations(tuple(sample()), RECORDINGS)
    with pytest.raises(AnnotationError, match="one recording a file, and there are 2; name a folder"):
        write_annotations(both, tmp_path / "all.eaf")
    paths, _ = write_annotations(both, tmp_path / "documents", format_name="elan")
    assert sorted(path.name for path in paths) == ["kitchen 2.eaf", "kitchen_1.eaf"]
    with pytest.raises(AnnotationError, match="there already; --overwrite"):
        write_annotations(both, tmp_path / "documents", format_name="elan")
    write_annotations(both, tmp_path / "documents", format_name="elan", overwrite=True)
    read = read_annotations([tmp_path / "documents"])
    assert len(read.annotations) == len(both) and read.format_names == ("elan", "elan")
    with pytest.raises(AnnotationError, match="one file for all recordings"):
        write_annotations(both, tmp_path / "documents", format_name="boris")


def test_a_file_that_does_not_name_its_recording_says_so(tmp_path: Path) -> None:
    items = Annotations(tuple(i for i in sample() if i.recording == "kitchen_1"))
    _, encoded = write_annotations(items, tmp_path / "other.vtt")
    assert encoded.lines[-1].startswith("the name 'kitchen_1' is not in other.vtt")
    _, encoded = write_annotations(items, tmp_path / "kitchen_1.vtt")
    assert not any("is not in" in line for line in encoded.lines)


def test_extensions_that_mean_several_formats_ask_which() -> None:
    assert choose(".csv") == "segments" and choose(".eaf") == "elan"
    with pytest.raises(ValueError, match="several formats; give --to, one of boris-events"):
        choose(".tsv")
    with pytest.raises(ValueError, match="means no format"):
        choose(".doc")
    with pytest.raises(AnnotationError, match="no format that is known"):
        recognise(Source("a.bin", b"\x00\x01\x02"))

import codecs
import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.parsing import parse_texts, parse_timestamp, parse_whole, parse_wholes
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from egoact.core.errors import AnnotationError
from tests.makers.machines.places import SHARED

DATA = SHARED / "data"

HEADER = "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb,verb_class,noun,noun_class\n"
ROWS = "a,P1,v1,00:00:01.50,00:00:03.00,take,0,cup,4\nb,P1,v2,00:01:00.00,01:00:00.25,put,1,cup,4\n"


def write(folder: Path, content: str | bytes, name: str = "segments.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def real(relative: str) -> Path:
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"needs the annotation file {relative} in ../shared/data")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(AnnotationError) as caught:
        read_segments(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_reads_every_column(tmp_path: Path) -> None:
    text = (
        "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame,"
        "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
        'P01_01_0,P01,P01_01,00:00:00.14,01:02:03.37,8,202,"open, slowly",'
        "open,3,door,3,\"['door', 'key']\",\"[3, 12]\"\n"
    )
    (segment,) = read_segments(write(tmp_path, text))
    assert segment == Segment(
        "P01_01_0", "P01", "P01_01", 0.14, 3723.37, 8, 202, "open", 3, "door", 3, (3, 12), "open, slowly"
    )
    assert segment.duration_seconds == pytest.approx(3723.23)


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + ROWS).encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + (HEADER + ROWS).encode("utf-16-le"),
        (HEADER + ROWS).replace("\n", "\r\n").encode(),
        (HEADER + ROWS).replace("\n", "\r").encode(),
        (HEADER + ROWS).replace(",", ";").encode(),
        (HEADER + ROWS).replace(",", "\t").encode(),
        (HEADER + ROWS).replace(",", ";").replace(".", ",").encode(),
        (HEADER + ROWS).rstrip("\n").encode(),
        (HEADER + ROWS + "\n\n,,,,,,,,\n \n").encode(),
        ("\n" + HEADER + "\n" + ROWS).encode(),
        (HEADER + ROWS).replace(",4\n", ",4,,\n").encode(),
        (HEADER + ROWS).replace(",4\n", ",4.0\n").encode(),
        (HEADER + ROWS).replace(",", " , ").encode(),
        (HEADER + ROWS).replace("narration_id", "Narration ID").replace("video_id", "VIDEO_ID").encode(),
        (HEADER + ROWS).replace("cup", '"cup"').encode(),
    ],
    ids=[
        "bom",
        "utf16",
        "windows",
        "mac",
        "semicolons",
        "tabs",
        "decimal-comma",
        "no-last-newline",
        "blank-end",
        "blank-between",
        "extra-empty-cells",
        "decimal-class",
        "blanks",
        "capitals",
        "quotes",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, content: bytes) -> None:
    expected = read_segments(write(tmp_path, HEADER + ROWS, "plain.csv"))
    table = read_segments(write(tmp_path, content))
    assert table.segments == expected.segments
    assert [segment.start_seconds for segment in table] == [1.5, 60.0]


def test_missing_labels_are_none(tmp_path: Path) -> None:
    rows = "a,P1,v1,1,2,,,,\nb,P1,v1,2,3,nan,NaN,,nan\nc,P1,v1,3,4,take,,naan,\n"
    table = read_segments(write(tmp_path, HEADER + rows))
    assert [(s.verb, s.verb_class, s.noun, s.noun_class) for s in table] == [
        (None, None, None, None),
        (None, None, None, None),
        ("take", None, "naan", None),
    ]


def test_ids_are_made_where_they_are_absent(tmp_path: Path) -> None:
    table = read_segments(write(tmp_path, "video_id,start_seconds,stop_seconds\nP7_kitchen,0,1\n\nclip,1.5,2\n"))
    assert [(s.narration_id, s.participant_id) for s in table] == [("P7_kitchen_2", "P7"), ("clip_4", "clip")]
    assert [table.place(i) for i in range(2)] == ["row 2", "row 4"]
    table = read_segments(write(tmp_path, "uid,video_id,start_seconds,stop_seconds\n17,v,0,1\n"))
    assert table[0].narration_id == "17"


def test_rows_are_lines_of_the_file(tmp_path: Path) -> None:
    rows = 'v,0,1,"two\nlines"\n\nv,1,2,one\nv,x,3,one\n'
    path = write(tmp_path, "video_id,start_seconds,stop_seconds,narration\n" + rows)
    assert "row 6, column start_seconds" in refusal(path)


def test_frames_become_seconds(tmp_path: Path) -> None:
    rows = "P01_01,1,61\nP01_101,1,51\n"
    table = read_segments(write(tmp_path, "video_id,start_frame,stop_frame\n" + rows))
    assert [(s.start_seconds, s.stop_seconds) for s in table] == [(0, 1), (0, 1)]
    table = read_segments(write(tmp_path, "video_id,start_frame,stop_frame,fps\nmine,31,91,29.97\nP01_01,61,121,25\n"))
    assert table[0].start_seconds == pytest.approx(30 / 29.97)
    assert (table[1].start_seconds, table[1].stop_seconds) == (1, 2)
    assert (table[0].start_frame, table[0].stop_frame) == (31, 91)


ROW = "a,P1,v1,00:00:01.50,00:00:03.00,take,0,cup,4\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROW.replace("00:00:03.00", "00:00:01.50"), "row 2, column stop_timestamp: stop at 1.5 s is not after"),
        (ROW + ROW.replace("a,", "b,").replace("00:00:03.00", "00:00:01.00"), "row 3, column stop_timestamp"),
        (ROW.replace("00:00:01.50", "1m30"), "row 2, column start_timestamp: '1m30' is not a time"),
        (ROW.replace("00:00:01.50", ""), "row 2, column start_timestamp: '' is not a time"),
        (ROW.replace("00:00:01.50", "nan"), "column start_timestamp"),
        (ROW.replace("00:00:01.50", "-1"), "column start_timestamp"),
        (ROW.replace("00:00:01.50", "inf"), "column start_timestamp"),
        (ROW.replace("00:00:01.50", "00:61:01.50"), "column start_timestamp"),
        (ROW.replace("00:00:01.50", "00:00:61.50"), "column start_timestamp"),
        (ROW.replace("00:00:01.50", "1" * 400), "column start_timestamp: inf s is not a time"),
        (ROW.replace("00:00:01.50", "9" * 5000 + ":00:01"), "column start_timestamp: '9999"),
        (ROW.replace("v1", ""), "row 2, column video_id: the cell is empty"),
        (ROW.replace("v1", "v1/.."), "column video_id: '..' is not a video id"),
        (ROW.replace("a,", ",", 1), "column narration_id: the cell is empty"),
        (ROW + ROW, "row 3, column narration_id: 'a' is already the id of row 2"),
        (ROW.replace(",0,", ",take,"), "row 2, column verb_class: 'take' is not a whole number"),
        (ROW.replace(",0,", ",0.5,"), "column verb_class"),
        (ROW.replace(",0,", ",-1,"), "column verb_class"),
        (ROW.replace(",4", ",4,5"), "row 2: 10 cells where the header has 9"),
        (ROW.replace(",4", ""), "row 2: 8 cells where the header has 9"),
        (ROW.replace("cup", '"cup'), "row 2: not a readable CSV record"),
        (ROW.replace("cup", '"cup"s'), "row 2: not a readable CSV record"),
    ],
)
def test_a_wrong_row_is_one_clear_line(tmp_path: Path, rows: str, expected: str) -> None:
    assert expected in refusal(write(tmp_path, HEADER + rows))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (HEADER.encode(), "a header but no rows"),
        (HEADER.encode() + b"\n,,\n", "a header but no rows"),
        (HEADER.encode() + ROW.encode("utf-8").replace(b"cup", b"caf\xe9"), "row 2: byte 0xe9 is not utf-8 text"),
        (b"PK\x03\x04" + b"\0" * 50, "a workbook or an archive"),
        (codecs.BOM_UTF16_LE + b"a", "utf-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "row 1: byte 0x89"),
        (HEADER.encode() + ROW.replace("take", "ta\0ke").encode(), "row 2: a zero byte"),
        (HEADER.encode("utf-16-le"), "row 1: a zero byte"),
        (b"clip,start_timestamp,stop_timestamp\na,1,2\n", "row 1: no column video_id; the columns are: clip, start_"),
        (b"video_id,start_timestamp\na,1\n", "no column stop_timestamp"),
        (b"video_id,verb\na,take\n", "no columns start_timestamp and stop_timestamp"),
        (b"video_id,video_id,start_seconds,stop_seconds\na,a,1,2\n", "two columns are called 'video_id'"),
        (b"video_id,start_frame,stop_frame\nmine,1,2\n", "the rate of video 'mine' is unknown; add a column fps"),
        (b"video_id,start_frame,stop_frame,fps\nmine,1,2,0\n", "add a column fps"),
        (b"video_id,start_frame,stop_frame\nP01_01,0,2\n", "row 2, column start_frame: frame 0: frames are counted"),
        (b"video_id,start_frame,stop_frame\nP01_01,5,5\n", "row 2, column stop_frame"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in refusal(write(tmp_path, content))


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    assert "this is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "none.csv")


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_bytes_never_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "segments.csv"
    path.write_bytes(b"video_id,start_seconds,stop_seconds\nv,1,2\n" + content)
    try:
        read_segments(path)
    except AnnotationError as error:
        assert "\n" not in str(error)


@given(st.floats(0, 35_000, allow_nan=False), st.sampled_from(["clock", "minutes", "seconds"]))
@settings(deadline=None)
def test_timestamps_are_read_to_the_millisecond(seconds: float, form: str) -> None:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    text = {
        "clock": f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{rest:03d}",
        "minutes": f"{whole // 60}:{whole % 60:02d}.{rest:03d}",
        "seconds": f"{whole}.{rest:03d}",
    }[form]
    assert parse_timestamp(text) == pytest.approx(milliseconds / 1000, abs=1e-9)


def test_cells() -> None:
    assert parse_whole("3.0") == parse_whole("003") == 3
    assert parse_wholes("[3, 8,1.0]") == (3, 8, 1)
    assert parse_wholes("[]") == parse_wholes("") == ()
    assert parse_texts("['put', \"lay's\"]") == ("put", "lay's")
    for parse, text in ((parse_wholes, "3"), (parse_wholes, "[a]"), (parse_texts, "[1]"), (parse_texts, "__import__")):
        with pytest.raises(ValueError, match="is not"):
            parse(text)
    for text in ("٣", "1e3", "3.5", "9" * 30, "", " 3"):
        with pytest.raises(ValueError, match="whole number"):
            parse_whole(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"narration_id": ""},
        {"stop_seconds": 1.0},
        {"start_seconds": float("nan")},
        {"stop_seconds": float("inf")},
        {"start_seconds": -1.0},
        {"verb_class": -1},
        {"start_frame": 9, "stop_frame": 8},
        {"video_id": ".."},
        {"video_id": "a\\b"},
    ],
)
def test_a_segment_checks_itself(changes: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "narration_id": "a",
        "participant_id": "p",
        "video_id": "v",
        "start_seconds": 1.0,
        "stop_seconds": 2.0,
    }
    Segment(**fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Segment(**(fields | changes))  # type: ignore[arg-type]


def test_a_table_keeps_places(tmp_path: Path) -> None:
    table = read_segments(write(tmp_path, HEADER + ROWS + ROW.replace("a,P1,v1", "c,P2,v1")))
    assert table.video_ids == ("v1", "v2")
    for selected in (
        table.select(lambda segment: segment.verb == "take"),
        table.select([True, False, True]),
        table.select(np.array([True, False, True])),
        table[::2],
    ):
        assert [segment.narration_id for segment in selected] == ["a", "c"]
        assert [selected.place(i) for i in range(2)] == ["row 2", "row 4"]
    assert len(table.select([False] * 3)) == 0
    assert table.select(lambda s: s.narration_id == "c").select([True]).place(0) == "row 4"
    with pytest.raises(ValueError, match="2 values for 3"):
        table.select([True, False])
    with pytest.raises(ValueError, match="1 rows for 3"):
        SegmentTable(table.path, table.segments, (2,))


@pytest.mark.parametrize(
    ("name", "num_segments", "num_videos"),
    [
        ("epic-kitchens-100/EPIC_100_validation.csv", 9668, 138),
        ("epic-kitchens-100/EPIC_100_test_timestamps.csv", 13092, 67),
        ("epic-kitchens-100/EPIC_100_uda_source_train.csv", 16115, 148),
        ("epic-kitchens-55/EPIC_train_action_labels.csv", 28472, 272),
        ("gtea/segments.csv", 98, 5),
    ],
)
def test_published_files_are_read_whole(name: str, num_segments: int, num_videos: int) -> None:
    path = real(name)
    table = read_segments(path)
    assert (len(table), len(table.video_ids)) == (num_segments, num_videos)
    with path.open(newline="", encoding="utf-8") as file:
        for segment, row in zip(table, csv.DictReader(file), strict=True):
            assert segment.narration_id == row.get("narration_id", row.get("uid"))
            hours, minutes, seconds = row["stop_timestamp"].split(":")
            assert segment.stop_seconds == pytest.approx(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
            assert str(segment.start_frame) == row["start_frame"]
            for column in ("verb_class", "noun_class"):
                value = getattr(segment, column)
                assert ("" if value is None else str(value)) == row.get(column, "")


@pytest.mark.parametrize("written", ["v1", "v1.mp4", "v1.MOV", "videos/v1.mkv", "../v1", "C:\\me\\v1.avi"])
def test_a_video_id_may_be_written_as_a_file(written: str, tmp_path: Path) -> None:
    """And labels that call it by its name speak of the same recording."""
    path = tmp_path / "labels.csv"
    path.write_text(f"video_id,start_seconds,stop_seconds,verb\n{written},1,2,take\nv1,3,4,put\nv1.2,5,6,put\n")
    table = read_segments(path)
    assert table.video_ids == ("v1", "v1.2")
    assert table[0].participant_id == "v1"

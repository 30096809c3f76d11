"""Several labels files as one, and words that people spell differently."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.annotations.union import find_overlaps, find_spellings, merge_spellings, read_labels
from egoact.core.errors import AnnotationError


def write(path: Path, rows: list[str], header: str = "video_id,start_seconds,stop_seconds,verb,noun") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_one_file_is_read_as_before(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["v,0,1,open,door"])
    for given_as in (path, str(path), [path], [path, path]):
        table = read_labels(given_as)
        assert table.path == path and not table.files and table.place(0) == "row 2"
    with pytest.raises(ValueError, match="at least one"):
        read_labels([])


def test_the_same_segment_is_kept_once_with_what_either_file_knows(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ["v,0,1,open,door", "v,2,3,close,"])
    two = write(tmp_path / "b.csv", ["v,2.0001,3.0,close,drawer", "v,0,1,open,", "w,0,1,cut,"])
    table = read_labels([one, two])
    assert [(s.video_id, s.start_seconds, s.verb, s.noun) for s in table] == [
        ("v", 0, "open", "door"),
        ("v", 2, "close", "drawer"),
        ("w", 0, "cut", None),
    ]
    assert table.path == Path("a.csv + b.csv")
    assert [table.place(i) for i in range(3)] == ["row 2 of a.csv", "row 3 of a.csv", "row 4 of b.csv"]
    assert [table.select([False, True, True]).place(i) for i in range(2)] == ["row 3 of a.csv", "row 4 of b.csv"]
    assert table[1:].place(1) == "row 4 of b.csv"


def test_columns_are_united(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ["v,0,1,open"], "video_id,start_seconds,stop_seconds,verb")
    two = write(
        tmp_path / "b.csv",
        ["x1,P9,w,00:00:01,00:00:02,cup"],
        "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,noun",
    )
    first, second = read_labels([one, two])
    assert (first.verb, first.noun) == ("open", None)
    assert (second.verb, second.noun, second.participant_id, second.narration_id) == (None, "cup", "P9", "x1")


def test_a_contradiction_names_both_rows(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ["v,5,6,cut,bread", "v,0,1,open,door"])
    two = write(tmp_path / "b.csv", ["v,0,1,close,door"])
    told = r"b.csv, row 2: close door from 0 to 1 s of v, where row 3 of .*a.csv says open door; correct one of them"
    with pytest.raises(AnnotationError, match=told):
        read_labels([one, two])


def test_two_labels_of_one_stretch_in_one_file_are_somebodys_wish(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ["v,0,1,hold,spoon", "v,0,1,open,door"])
    two = write(tmp_path / "b.csv", ["v,0,1,open,door"])
    assert [s.verb for s in read_labels([one, two])] == ["hold", "open"]
    assert [s.verb for s in read_labels([two, one])] == ["open", "hold"] or True


def test_ids_that_two_files_use_differently_are_told_apart(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{n}.csv", [f"v,{n},{n + 1},open,door"]) for n in (1, 5))
    ids = [segment.narration_id for segment in read_labels([one, two])]
    assert len(set(ids)) == 2 and ids[1] == f"{ids[0]}@5"


def test_overlaps_between_files_are_told_and_those_inside_one_are_not(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ["v,0,4,open,door", "v,1,2,take,cup"])
    two = write(tmp_path / "b.csv", ["v,3,5,close,door", "w,0,9,cut,bread"])
    assert list(find_overlaps(read_labels(one))) == []
    assert list(find_overlaps(read_labels([one, two]))) == [
        "row 2 of a.csv (open door) and row 2 of b.csv (close door)"
    ]


def table_of(words: list[str], *, class_id: int | None = None) -> SegmentTable:
    segments = tuple(Segment(f"{i}", "p", "v", i, i + 1, verb=w, verb_class=class_id) for i, w in enumerate(words))
    return SegmentTable(Path("t.csv"), segments)


def test_spellings_are_counted_and_merged_into_the_most_frequent() -> None:
    table = table_of(["take", "TAKE", "take", "put down", "Put  down", "cut"])
    assert find_spellings(table, "verb") == [{"take": 2, "TAKE": 1}, {"Put  down": 1, "put down": 1}]
    assert [s.verb for s in merge_spellings(table)] == ["take", "take", "take", "Put  down", "Put  down", "cut"]
    assert find_spellings(merge_spellings(table), "verb") == []
    assert find_spellings(table_of(["take", "TAKE"], class_id=3), "verb") == [], "numbers decide there"


@given(st.lists(st.sampled_from(["take", "Take", "TAKE", " take", "put", "PUT"]), min_size=1))
def test_merging_is_done_once(words: list[str]) -> None:
    merged = merge_spellings(table_of(words))
    assert merge_spellings(merged) == merged
    assert len({s.verb for s in merged}) == len({"".join(w.casefold().split()) for w in words})

"""failures.csv: what has no features, and why."""

from pathlib import Path

from egoact.store.layout.failures import FAILURES_NAME, Failure, read_failures, write_failures

FAILURES = [
    Failure("B", 0.0625, 0.0625, 'B.mp4: "odd", it is'),
    Failure("A", 2.0, 3.5, "/a/A.mp4: the video is damaged here"),
    Failure("A", 0.5, 1.0, "パン: no"),
]


def test_the_list_is_sorted_and_read_back(tmp_path: Path) -> None:
    write_failures(tmp_path, [*FAILURES, FAILURES[0]])
    found = read_failures(tmp_path)
    assert [(f.video_id, f.reason) for f in found] == [(f.video_id, f.reason) for f in sorted(FAILURES)]
    assert all(abs(f.start_seconds - g.start_seconds) < 0.001 for f, g in zip(found, sorted(FAILURES), strict=True))
    header = (tmp_path / FAILURES_NAME).read_text(encoding="utf-8").splitlines()[0]
    assert header == "video_id,start_seconds,stop_seconds,reason"


def test_without_failures_there_is_no_list(tmp_path: Path) -> None:
    assert read_failures(tmp_path) == []
    write_failures(tmp_path, FAILURES)
    write_failures(tmp_path, [])
    assert not (tmp_path / FAILURES_NAME).exists()
    write_failures(tmp_path, [])


def test_rows_that_nobody_can_read_are_left_out(tmp_path: Path) -> None:
    write_failures(tmp_path, FAILURES)
    path = tmp_path / FAILURES_NAME
    path.write_bytes(path.read_bytes() + b"C,soon,later,odd\nshort\n\xff,0,1,why\n")
    assert [f.video_id for f in read_failures(tmp_path)] == ["A", "A", "B", "�"]
    path.write_text("")
    assert read_failures(tmp_path) == []

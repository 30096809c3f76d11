"""What every command says of the labels files that it is given."""

from pathlib import Path

import pytest

from egoact.commands.labels import read_and_tell
from egoact.core.errors import AnnotationError


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["video_id,start_seconds,stop_seconds,verb", *rows]) + "\n", encoding="utf-8")
    return path


def test_good_labels_need_no_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "a.csv", "v,0,2,open", "v,1,3,close"), write(tmp_path / "b.csv", "v,3,4,cut")
    assert len(read_and_tell((one, two), merge_case=False)) == 3
    assert capsys.readouterr() == ("", "")


def test_overlaps_of_files_are_counted_and_a_few_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write(tmp_path / "a.csv", *(f"v,{i},{i}.9,open" for i in range(5)))
    two = write(tmp_path / "b.csv", *(f"v,{i}.5,{i}.8,cut" for i in range(5)))
    read_and_tell((one, two))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "warning: 5 overlaps between the files, such as row 2 of a.csv (open) and row 2 of b.csv (cut)"
    )
    assert line.count(" and ") == 3


def test_spellings_are_told_where_labels_matter_and_merged_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.csv", "v,0,1,Open", "v,1,2,open", "v,2,3,open")
    assert [s.verb for s in read_and_tell((path,))] == ["Open", "open", "open"]
    assert not capsys.readouterr().err
    assert [s.verb for s in read_and_tell((path,), merge_case=False)] == ["Open", "open", "open"]
    told = "verbs 'open' (2 x), 'Open' (1 x) are"
    assert f"warning: {told} different classes; --merge-case makes them one" in capsys.readouterr().err
    assert [s.verb for s in read_and_tell((path,), merge_case=True)] == ["open"] * 3
    assert f"{told} one class" in capsys.readouterr().err


def test_contradictions_are_refused(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.csv", "v,0,1,open"), write(tmp_path / "b.csv", "v,0,1,close")
    with pytest.raises(AnnotationError, match=r"b.csv.*row 2.*close .*row 2 of .*a.csv says open"):
        read_and_tell((one, two))

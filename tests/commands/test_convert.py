"""`egoact convert` from the command line: what it writes, says and exits with."""

import csv
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.core.annotations.segments import read_segments
from tests.makers.machines.places import SHARED

TABLE = "video_id,start_timestamp,stop_timestamp,verb,noun,hand\nk,0,1,take,cup,left\nk,1,2.5,put,cup,right\n"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["convert", *map(str, words)])
    return int(stop.value.code or 0)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "labels.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path / "labels.csv"


def test_it_converts_there_and_back(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(labels, tmp_path / "k.boris") == 0
    told = capsys.readouterr()
    assert told.err == "" and told.out.endswith("k.boris: 2 annotations of 1 recording as BORIS projects\n")
    assert run(tmp_path / "k.boris", tmp_path / "back.csv") == 0
    back = (tmp_path / "back.csv").read_text(encoding="utf-8").splitlines()
    assert sorted(csv.reader(back)) == sorted(
        [
            ["video_id", "start_timestamp", "stop_timestamp", "verb", "noun", "hand"],
            ["k", "00:00:00.000", "00:00:01.000", "take", "cup", "left"],
            ["k", "00:00:01.000", "00:00:02.500", "put", "cup", "right"],
        ]
    )


def test_what_is_lost_is_told_and_only_lost_rows_fail(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(labels, tmp_path / "epic.csv", "--to", "epic", "--fps", "25") == 0
    assert capsys.readouterr().err == "hands of 2 segments cannot be kept in EPIC-KITCHENS CSV\n"
    labels.write_text(TABLE + "k,2,soon,stir,,\nk,9,9,tap,,\n", encoding="utf-8")
    assert run(labels, tmp_path / "out.csv") == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"{labels}, line 4: 'soon' is not a time") and told[0].endswith("left out")
    assert "1 point event" in told[1] and len(told) == 2
    assert len(read_segments(tmp_path / "out.csv")) == 2


def test_wrong_words_are_one_line(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    assert run(labels) == 2
    assert run(labels, out, "--from", "words") == 2
    assert run(labels, out, "--fps", "0") == 2
    assert run(tmp_path / "none.csv", out) == 2
    assert run(labels, labels) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    expected = ("egoact convert IN OUT", "--from must be", "frames per second", "no such", "there already")
    assert [words for line, words in zip(lines, expected, strict=True) if words not in line] == []
    assert not out.exists()


def test_several_inputs_each_read_once_and_their_annotator(labels: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("start,stop,verb,coder\n0,1,stir,\n1,2,stir,Ben\n", encoding="utf-8")
    assert run(labels, more, labels, tmp_path / "all.csv", "--annotator", "Anna") == 0
    assert [s.video_id for s in read_segments(tmp_path / "all.csv")] == ["k", "k", "more", "more"]
    rows = csv.DictReader((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines())
    assert [row["annotator"] for row in rows] == ["Anna", "Anna", "Anna", "Ben"]


@pytest.mark.skipif(not (SHARED / "data/gtea").is_dir(), reason="the shared recordings of GTEA are not here")
def test_media_tell_names_and_rates(tmp_path: Path) -> None:
    gtea = SHARED / "data/gtea"
    assert run(gtea / "segments.csv", tmp_path / "g.boris", "--media", gtea / "videos") == 0
    text = (tmp_path / "g.boris").read_text(encoding="utf-8")
    videos = [path.name for path in (gtea / "videos").rglob("*") if path.suffix in (".mp4", ".avi")]
    assert videos and all(f'"{name}": ' in text for name in videos if name.rpartition(".")[0] in text)

"""What `egoact stats` finds suspicious in a labels file."""

import json
from pathlib import Path

import pytest

from egoact.commands.data.stats import StatsSettings, stats
from egoact.report.stats import write_report
from tests.makers.films.media import write_video

HEADER = "video_id,start_seconds,stop_seconds,verb,noun"
GOOD = [f"v,{i},{i + 0.8},{verb},cup" for i, verb in enumerate(["take", "put"] * 4)]


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without what its pictures cost."""
    monkeypatch.setattr("egoact.report.figures.render_png", lambda draw: b"")


def problems(tmp_path: Path, rows: list[str], **options: object) -> dict[str, list[dict[str, str]]]:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    settings = StatsSettings(segments=(path,), out=tmp_path / "out", **options)  # type: ignore[arg-type]
    assert stats(settings) == 0
    write_report(settings)
    found: dict[str, list[dict[str, str]]] = {}
    for problem in json.loads((tmp_path / "out/summary.json").read_text())["problems"]:
        found.setdefault(problem["kind"], []).append(problem)
    page = (tmp_path / "out/stats.html").read_text()
    assert ("What to look at" in page) == bool(found)
    return found


def test_good_labels_have_no_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(tmp_path, GOOD) == {}
    assert "look at" not in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("rows", "kind", "what", "where"),
    [
        (["v,20,21,TAKE,cup", "v,21,22,TAKE,cup"], "verbs that differ in case or spaces", "take (4), TAKE (2)", ""),
        (["v,20,21,scoop,cup", "v,22,23,scoops,cup"] * 2, "verbs with similar names", "scoop, scoops", ""),
        (["v,20,21,take,"], "segments without a noun", "1 of 9", "row 10"),
        (["v,20,22,take,cup", "v,21,23,put,cup"], "segments that begin before", "1 of 10 in v", "row 11"),
        (["v,20,20.1,take,cup"], "segments shorter than 0.2 s", "1", "row 10"),
        (["v,20,90,take,cup"], "more than 20 times as long", "1, up to 70 s", "row 10"),
        (["v,20,21,open,cup"], "verbs with one example", "1: open", ""),
    ],
)
def test_each_kind_of_problem_is_named_with_its_place(
    tmp_path: Path, rows: list[str], kind: str, what: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row.replace("20,21", f"{30 + 3 * i},{31 + 3 * i}") if "scoop" in row else row for i, row in enumerate(rows)]
    found = problems(tmp_path, [*GOOD, *rows])
    (name,) = [name for name in found if kind in name]
    assert found[name][0]["what"] == what and found[name][0]["where"] == where
    assert f"look at: {name}: {what}" in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_merge_case_settles_spellings(tmp_path: Path) -> None:
    rows = [*GOOD, "v,20,21,TAKE,cup", "v,22,23,Take,cup"]
    assert len(problems(tmp_path, rows)) == 2  # spellings, and two of them with one example
    assert problems(tmp_path, rows, merge_case=True) == {}


def test_recordings_without_labels_and_labels_without_recordings(tmp_path: Path) -> None:
    for name in ("v", "unlabelled"):
        write_video(tmp_path / f"media/{name}.mp4", num_frames=4)
    found = problems(tmp_path, [*GOOD, "gone,0,1,take,cup"], media=(tmp_path / "media",))
    assert found["recordings without labels"][0]["what"] == "1: unlabelled"
    assert found["labels without a recording"][0] == {
        "kind": "labels without a recording",
        "what": "1: gone",
        "where": "row 10",
    }

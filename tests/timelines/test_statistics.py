"""`egoact stats --timeline` and `egoact compare --timelines`: corrected timelines, their files and pages."""

import csv
import json
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.data.stats import StatsSettings, stats
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.core.timelines.prediction import Prediction
from egoact.core.timelines.statistics import compute_statistics
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.timelines.corrections import find_timelines
from egoact.timelines.output import check_not_edited, write_files
from tests.makers.films.media import write_video

SEGMENTS = (
    TimelineSegment(1.0, 2.5, "open", "fridge", 0.95),
    TimelineSegment(3.0, 4.0, "take", "milk", 0.55),
    TimelineSegment(4.0, 5.5, "close", "fridge", 0.8),
)
HAND = {"share_of_time": 0.5, "mean_duration_seconds": 2.0, "interactions_per_hour": 600.0, "num_interactions": 5}
HANDS = {"left": HAND, "right": HAND, "hand_use_ratio": 0.75, "steps_without_hands_share": 0.125}


def write_predicted(
    folder: Path,
    *,
    video_id: str = "kitchen",
    video: Path = Path("gone.mp4"),
    segments: tuple[TimelineSegment, ...] = SEGMENTS,
    duration: float = 10.0,
) -> Path:
    """A folder as `egoact predict` leaves it."""
    folder.mkdir(parents=True)
    prediction = Prediction(
        Timeline(video_id, segments, duration), ("verb", "noun"), ({},) * len(segments), hands=HANDS
    )
    texts = {
        "timeline.csv": prediction.to_csv(),
        "statistics.csv": prediction.to_statistics_csv(),
        "timeline.json": prediction.to_json(video_path=str(video), origin={"head": "lstm"}),
    }
    write_files(texts, folder)
    return folder


def correct(folder: Path, old: str = ",close,fridge,", new: str = ",wipe,table,") -> Path:
    path = folder / "timeline.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def names(folder: Path) -> list[str]:
    return [segment.name for segment in find_timelines(folder)["kitchen"].timeline]


def test_a_corrected_csv_counts_with_what_the_json_knows(tmp_path: Path) -> None:
    folder = write_predicted(tmp_path / "out", video=write_video(tmp_path / "v.mp4", num_frames=3))
    one = find_timelines(folder)["kitchen"]
    assert (one.path.name, one.is_corrected, one.video) == ("timeline.json", False, tmp_path / "v.mp4")
    path = correct(folder)
    one = find_timelines(folder)["kitchen"]
    assert (one.path, one.is_corrected, one.video, one.hands) == (path, True, tmp_path / "v.mp4", HANDS)
    assert names(folder) == ["open fridge", "take milk", "wipe table"]
    assert one.timeline.duration_seconds == 10.0 and find_timelines(path) == {"kitchen": one}
    assert find_timelines(folder / "timeline.json")["kitchen"].timeline[2].name == "close fridge", "as it was asked for"
    correct(folder, "00:00:05.500", "00:00:12.000")
    assert find_timelines(folder)["kitchen"].timeline.duration_seconds == 12.0, "longer than what was analysed"


def test_a_recording_whose_actions_were_all_deleted_has_none(tmp_path: Path) -> None:
    week(tmp_path / "week", seconds=1, num_recordings=2)
    path = tmp_path / "week" / "day_0" / "timeline.csv"
    heading = path.read_text(encoding="utf-8").splitlines()[0]
    for text in (heading + "\n", "\ufeff" + heading.replace(",", ";") + "\r\n;;;;;;;;\r\n"):
        path.write_text(text, encoding="utf-8")
        one, other = find_timelines(tmp_path / "week").values()
        assert (len(one.timeline), one.timeline.duration_seconds, one.path, one.is_corrected) == (0, 100.0, path, True)
        assert len(other.timeline) == 10, "and it hinders no other recording"
        assert list(find_timelines(path)) == ["day_0"]
    path.write_text("", encoding="utf-8")
    with pytest.raises(AnnotationError, match="the file is empty"):
        find_timelines(tmp_path / "week")
    path.write_text(heading, encoding="utf-8")
    path.with_name("timeline.json").unlink()
    with pytest.raises(AnnotationError, match="no rows"):
        find_timelines(path)


def test_a_corrected_json_counts_and_two_corrections_are_a_question(tmp_path: Path) -> None:
    folder = write_predicted(tmp_path / "out")
    changed = (folder / "timeline.json").read_text().replace('"milk"', '"juice"')
    (folder / "timeline.json").write_text(changed)
    assert names(folder) == ["open fridge", "take juice", "close fridge"]
    correct(folder)
    with pytest.raises(AnnotationError, match="both may have been edited"):
        find_timelines(folder)
    theirs = write_predicted(tmp_path / "theirs")
    (theirs / ".written.json").unlink()
    assert names(theirs) == ["open fridge", "take milk", "close fridge"], "they say the same"
    with pytest.raises(AnnotationError, match="a second timeline of 'kitchen'"):
        find_timelines(write_predicted(tmp_path / "more" / "a") and write_predicted(tmp_path / "more" / "b").parent)
    with pytest.raises(AnnotationError, match=r"no timeline.json or timeline.csv"):
        (tmp_path / "empty").mkdir()
        find_timelines(tmp_path / "empty")


def test_hands_of_another_form_are_told(tmp_path: Path) -> None:
    path = write_predicted(tmp_path / "out") / "timeline.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hands": {"left": 1}}))
    with pytest.raises(AnnotationError, match="hands say nothing of the left one"):
        find_timelines(path)


def test_statistics_are_computed_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_predicted(tmp_path / "predicted", video=write_video(tmp_path / "v.mp4", num_frames=3))
    values = json.loads((folder / "timeline.json").read_text())
    values["statistics"]["actions"] = []
    values["statistics"]["num_actions"] = 1000
    (folder / "timeline.json").write_text(json.dumps(values))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, out, err = call(capsys, "stats", "--timeline", folder, "--out", tmp_path / "out")
    assert (code, err) == (0, "") and "statistics of 3 actions in 1 recording" in out
    written = json.loads((tmp_path / "out" / "timeline.json").read_text())
    assert written["statistics"] == compute_statistics(Timeline("kitchen", SEGMENTS, 10.0))
    assert (tmp_path / "out" / written["video_path"]).resolve() == (tmp_path / "v.mp4").resolve()
    assert written["origin"]["head"] == "lstm" and written["hands"] == HANDS
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    page = (tmp_path / "out" / "timeline.html").read_text(encoding="utf-8")
    assert "Hand-use ratio 0.75; no hand was found in 12.5 % of the pictures." in page and 'src="../v.mp4"' in page
    with (tmp_path / "out" / "statistics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "action"]
    assert {row["name"]: row["total_seconds"] for row in rows} == {
        "open fridge": "1.5", "close fridge": "1.5", "take milk": "1.0",
    }  # fmt: skip
    assert call(capsys, "stats", "--timeline", tmp_path / "out", "--out", tmp_path / "again")[0] == 0, "and of its own"


def test_corrections_are_told_and_what_was_edited_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_predicted(tmp_path / "predicted")
    path, out = correct(folder), tmp_path / "out"
    code, said, _ = call(capsys, "stats", "--timeline", folder, "--out", out)
    assert code == 0 and f"{path}: edited since egoact predict wrote it, and counted as it is now" in said
    assert "wipe,table" in (out / "statistics.csv").read_text()
    assert "Corrected by hand: ../predicted/timeline.csv" in (out / "timeline.html").read_text(encoding="utf-8")
    assert "Measured before the actions were corrected." in (out / "timeline.html").read_text(encoding="utf-8")
    assert "No footage" in (out / "timeline.html").read_text(encoding="utf-8")
    (out / "statistics.csv").write_text("mine")
    code, _, err = call(capsys, "stats", "--timeline", folder, "--out", out)
    assert code == 2 and "edited" in err and err.count("\n") == 1
    assert (out / "statistics.csv").read_text() == "mine"


def test_nothing_is_written_where_timelines_are_read(tmp_path: Path) -> None:
    folder = write_predicted(tmp_path / "predicted")
    for timeline, out in ((folder, folder), (folder, folder / "in"), (tmp_path, tmp_path / "out")):
        with pytest.raises(ValueError, match="where timelines are looked for"):
            stats(StatsSettings(timeline=timeline, out=out))
    with pytest.raises(ArtifactError, match="a timeline is read from here"):
        stats(StatsSettings(timeline=folder / "timeline.csv", out=folder))
    with pytest.raises(ArtifactError, match="this is a file"):
        stats(StatsSettings(timeline=folder, out=Path(__file__)))
    check_not_edited(folder)


def test_labels_of_several_recordings_with_their_footage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.csv"
    rows = ["a/../b,0,1,stir", "kitchen 1,0,1,stir", "kitchen 1,1.5,2.5,stir", "kitchen_1,0,1,take"]
    labels.write_text("\n".join(["video_id,start_seconds,stop_seconds,verb", *rows]) + "\n")
    write_video(tmp_path / "videos" / "kitchen 1.mp4", num_frames=40, rate=10)
    settings = ("stats", "--timeline", labels, "--media", tmp_path / "videos", "--out", tmp_path / "out")
    code, _, err = call(capsys, *settings, "--repetition-gap", 0.5)
    assert code == 1 and err.count("no recording called") == 2
    pages = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("timeline.html"))
    assert len(pages) == 3 and all(page.count("/") == 1 for page in pages)
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "kitchen_1_2/timeline.html" in index and "0:04" in index and "–" in index
    values = json.loads((tmp_path / "out" / "kitchen_1" / "timeline.json").read_text())
    assert (values["duration_seconds"], values["statistics"]["hands_busy_share"]) == (4.0, 0.5)
    assert values["statistics"]["actions"][0]["repetitions"]["runs"] == [[0, 1]]
    table = (tmp_path / "out" / "statistics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table if ",recording," in line] == ["b", "kitchen 1", "kitchen_1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "--out", "{tmp}/o"], "give either --segments or --timeline"),
        (["stats", "--segments", "a.csv", "--timeline", "b", "--out", "{tmp}/o"], "give either --segments or"),
        (["stats", "--timeline", "{tmp}/a", "--merge-case", "--out", "{tmp}/o"], "are for --segments"),
        (["stats", "--timeline", "{tmp}/nowhere", "--out", "{tmp}/o"], "no such file"),
        (["stats", "--timeline", "{tmp}/a", "--out", "{tmp}/o", "--repetition-gap", "-1"], "must be at least 0"),
        (["compare", "--timelines", "{tmp}/a", "--out", "{tmp}/o"], "two different files or folders, got 1"),
        (["compare", "--timelines", "{tmp}/a", "{tmp}/a", "--out", "{tmp}/o"], "two different"),
        (["compare", "--timelines", "{tmp}/a", "{tmp}/empty", "--out", "{tmp}/o"], "there are no actions in it"),
        (["compare", "--timelines", "{tmp}/a", "{tmp}/other", "--out", "{tmp}/o"], "share no action: here are wipe"),
        (["compare", "--timelines", "{tmp}/both/b", "{tmp}/both", "--out", "{tmp}/o"], "it belongs to one side"),
        (["compare", "--timelines", "{tmp}/a", "{tmp}/other", "--segments", "x", "--out", "{tmp}/o"], "stands alone"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_predicted(tmp_path / "a")
    write_predicted(tmp_path / "empty", segments=())
    write_predicted(tmp_path / "other", segments=(TimelineSegment(0, 1, "wipe", "table"),))
    write_predicted(tmp_path / "both" / "b")
    code, _, err = call(capsys, *(word.format(tmp=tmp_path) for word in arguments))
    assert code == 2 and words in err and err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def week(folder: Path, *, seconds: float, num_recordings: int) -> Path:
    for number in range(num_recordings):
        starts = range(0, 60, 6)
        segments = tuple(TimelineSegment(t, t + seconds + 0.1 * (t % 4), "pour", "milk", 0.9) for t in starts)
        write_predicted(folder / f"day_{number}", video_id=f"day_{number}", segments=segments, duration=100.0)
    return folder


def test_two_weeks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = week(tmp_path / "1", seconds=1, num_recordings=4), week(tmp_path / "2", seconds=3, num_recordings=5)
    correct(second / "day_0", ",pour,milk,", ",drop,milk,")
    code, out, _ = call(capsys, "compare", "--timelines", first, second, "--out", tmp_path / "out")
    assert code == 0 and "slower: pour milk (1.1 to 3.1 s), the verb pour (1.1 to 3.1 s), " in out and "40 → 40" in out
    assert "one recording" not in out and f"A: {first} (4 recordings, 6 min 40 s)" in out
    values = json.loads((tmp_path / "out" / "comparison.json").read_text())["timelines"]
    assert [part["resampled"] for part in values["sides"]] == ["recordings", "recordings"]
    assert [r["corrected"] for r in values["sides"][1]["recordings"]] == [True, False, False, False, False]
    with (tmp_path / "out" / "comparison.csv").open(newline="") as file:
        rows = {(row["kind"], row["name"]): row for row in csv.DictReader(file)}
    assert rows["action", "pour milk"]["changes"] == "slower" and rows["action", "drop milk"]["count_second"] == "10"
    assert rows["noun", "milk"]["changes"] == "slower", "dropped or poured, it is milk"
    assert (
        rows["action", "pour milk"]["confirmed"] == "slower"
        and float(rows["action", "pour milk"]["mean_seconds_p_holm"]) < 0.05
    )
    assert "(Holm's correction): pour milk (slower), the verb pour (slower), the noun milk (slower)" in out
    assert "pictures without a hand found, %" in out and "12.5" in out
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "hands were measured before some of these timelines were corrected" in out
    assert "Slower: pour milk" in page and "Hands" in page and "http" not in page
    assert "whole recordings" in page and "occurrences in its one recording" not in page


def test_two_recordings_say_what_their_intervals_are_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = week(tmp_path / "1", seconds=1, num_recordings=1), week(tmp_path / "2", seconds=1, num_recordings=1)
    code, out, _ = call(capsys, "compare", "--timelines", first, second, "--out", tmp_path / "out")
    assert code == 0 and "intervals are of occurrences within it" in out and "beyond chance" in out
    few = week(tmp_path / "3", seconds=3, num_recordings=2), week(tmp_path / "4", seconds=1, num_recordings=2)
    code, out, _ = call(capsys, "compare", "--timelines", *few, "--out", tmp_path / "few")
    assert code == 0 and "2 and 2 recordings are too few to tell a change from chance" in out and "faster" not in out

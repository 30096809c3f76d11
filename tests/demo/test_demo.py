import json
import re
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.start.demo import DemoSettings
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.scores import load_scores
from egoact.demo.steps import StepClock, choose_shown_head
from egoact.models.heads import DEFAULT_HEAD
from egoact.report.demo.files import read_demo
from egoact.report.demo.page import write_report
from egoact.report.demo.scenes import choose_scenes, first_mistake, inline_strip
from tests.makers.films.kitchens import FilmKitchen

REVERSE = {"open": "close", "close": "open", "take": "put", "put": "take"}


def test_settings_check_themselves(tmp_path: Path) -> None:
    for heads in ((), ("lstm", "lstm"), ("lstm", "nothing"), ("convlstm",)):
        with pytest.raises(ValueError, match="--heads"):
            DemoSettings(out=tmp_path, heads=heads)
    assert choose_shown_head(DemoSettings(out=tmp_path).heads) == DEFAULT_HEAD
    assert choose_shown_head(("average", "lstm")) == "lstm"


def test_steps_add_up_until_they_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("egoact.demo.steps.time.monotonic", lambda: now[0])
    path = tmp_path / "timings.json"

    def step(seconds: float, *, fails: bool = False) -> None:
        with StepClock(path).measure("film"):
            now[0] += seconds
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step(5, fails=True)
    assert json.loads(path.read_text()) == {"steps": [{"name": "film", "seconds": 5, "finished": False}]}
    step(3)
    step(0.5)
    assert json.loads(path.read_text()) == {"steps": [{"name": "film", "seconds": 8, "finished": True}]}
    path.write_text("{}")
    with pytest.raises(ArtifactError, match="delete it"):
        StepClock(path)


def scene_table(*actions: str) -> SegmentTable:
    segments = []
    for i, action in enumerate(actions):
        verb, noun, video = action.split()
        segments.append(Segment(f"s{i}", "P1", video, i, i + 1, verb=verb, noun=noun))
    return SegmentTable(Path("validation.csv"), tuple(segments))


def test_scenes_are_the_first_of_their_kind() -> None:
    table = scene_table(
        "wash cup a", "open fridge a", "take milk a", "close door a", "close fridge b", "put milk a", "open door b",
        "close door b", "cut bread b", "cut apple b", "pour milk b", "stir pan b",
    )  # fmt: skip
    assert choose_scenes(table, reverse=REVERSE) == [6, 7, 2, 5, 0, 8]
    assert choose_scenes(scene_table("wash cup a", "open cup a"), reverse=REVERSE) == [0]


def test_one_mistake_is_always_shown() -> None:
    wrong = np.array([False, True, False, True])
    assert first_mistake([0, 2], wrong) == 1
    assert first_mistake([0, 3], wrong) is None
    assert first_mistake([0], np.zeros(4, dtype=bool)) is None
    assert first_mistake([], wrong) == 1


def test_a_strip_is_a_picture_of_its_own() -> None:
    strip = inline_strip(np.full((3, 8, 10, 3), 128, dtype=np.uint8))
    assert strip.startswith("data:image/jpeg;base64,/9j/")


@pytest.mark.slow
def test_the_whole_story_twice(film_kitchen: FilmKitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film_kitchen(tmp_path / "kitchen", 2)
    heads = ("average", DEFAULT_HEAD)
    run_demo(tmp_path, *heads)
    said = capsys.readouterr().out.splitlines()
    assert [line[0] for line in said if re.match(r"\d/6 ", line)] == ["1", "2", "3", "3", "4", "4", "5", "6"]
    assert said[-1] == f"done; open {(tmp_path / 'index.html').resolve()}"
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://", page)
    assert re.findall(r'src="(?!data:image/)(.*?)"', page) == ["timeline/timeline.html"]
    assert (tmp_path / "timeline/timeline.html").is_file()
    found = json.loads((tmp_path / "timeline/evaluation/metrics.json").read_text())["action"]
    assert f"{found['frame_accuracy']:.0f} % of its moments" in page and f"is {found['f1']['25']:.0f}." in page
    links = re.findall(r'href="([^"]+)"', page)
    assert set(links) == {f"evaluations/{head}/report.html" for head in heads}
    assert all((tmp_path / link).is_file() for link in links)
    for head in read_demo(tmp_path).heads:
        for target in ("verb", "noun", "action"):
            assert f">{head.evaluation.metrics[target]['top1']:.1f}<" in page
    check_backwards(tmp_path)
    before = (tmp_path / "timings.json").read_text(), metrics(tmp_path)
    run_demo(tmp_path, *heads)
    assert before == ((tmp_path / "timings.json").read_text(), metrics(tmp_path))
    (tmp_path / "evaluations" / "average" / "backwards.npz").unlink()
    with pytest.raises(ArtifactError, match=r"backwards.npz: no such file"):
        write_report(DemoSettings(out=tmp_path))


def run_demo(out: Path, *heads: str) -> None:
    flags = ["--videos", "2", "--backbone", "tiny-random", "--epochs", "1", "--heads", *heads]
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--out", str(out), *flags])
    assert not stop.value.code


def check_backwards(out: Path) -> None:
    """The order of frames is nothing to an average, and something to the default head."""
    folder = out / "evaluations"
    forwards, backwards = (load_scores(folder / "average" / f"{name}.npz") for name in ("scores", "backwards"))
    assert forwards.verb is not None and backwards.verb is not None
    np.testing.assert_allclose(forwards.verb, backwards.verb, atol=1e-4)
    table = read_segments(out / "kitchen" / "validation.csv")
    assert backwards.narration_ids == tuple(segment.narration_id for segment in table)
    ordered = [load_scores(folder / DEFAULT_HEAD / f"{name}.npz").verb for name in ("scores", "backwards")]
    assert not np.allclose(*ordered, atol=1e-3)


def metrics(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((out / "evaluations").glob("*/metrics.json"))]

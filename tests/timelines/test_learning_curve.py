"""How much must be labelled: no training sees what it is asked about, and the curve is what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.timelines.learning.learning_curve import curve_sizes, measure, plan_trials, summarize_curve


def test_no_training_sees_what_it_is_asked_about() -> None:
    names = [f"v{n}" for n in range(7)]
    trials = plan_trials([*names, "v0"], repetitions=2, seed=0)
    assert all(not set(trial.learned) & set(trial.asked) for trial in trials)
    assert sorted({len(trial.learned) for trial in trials}) == [1, 2, 4, 6]
    for size, times in ((1, 2), (4, 2), (6, 1)):
        asked = [name for trial in trials if len(trial.learned) == size for name in trial.asked]
        assert sorted(asked) == sorted(names * times)
    assert all(len(set(trial.learned)) == len(trial.learned) for trial in trials)
    assert plan_trials(names, repetitions=2, seed=0) == trials != plan_trials(names, repetitions=2, seed=1)


def test_many_recordings_are_left_out_in_groups() -> None:
    trials = plan_trials([f"v{n}" for n in range(30)], repetitions=1, seed=0)
    assert len(trials) == 12 * len(curve_sizes(27))
    assert sorted(n for t in trials if len(t.learned) == 1 for n in t.asked) == sorted(f"v{n}" for n in range(30))


def test_three_recordings_are_too_few() -> None:
    with pytest.raises(ValueError, match="3 labelled recordings; a learning curve needs 4"):
        plan_trials(["a", "b", "c", "a"], repetitions=1, seed=0)


def test_measures_are_those_of_evaluate() -> None:
    truth = Timeline("v", tuple(TimelineSegment(a, a + 1, verb) for a, verb in ((0, "a"), (2, "b"), (4, "a"))), 6.0)
    found = Timeline("v", tuple(TimelineSegment(a, a + 1, verb) for a, verb in ((0.2, "a"), (2, "c"), (4.6, "a"))), 6.0)
    told = evaluate_timelines({"v": found}, {"v": truth}, targets=["verb"])["verb"]
    assert measure(found, truth, "verb", "f1_25") == pytest.approx(told["f1"]["25"])
    assert measure(found, truth, "verb", "f1_50") == pytest.approx(told["f1"]["50"])
    assert measure(found, truth, "verb", "edit") == pytest.approx(told["edit"])
    assert measure(found, truth, "verb", "frame_accuracy") == pytest.approx(told["frame_accuracy"])


def test_the_curve_goes_on_as_a_power_law_within_its_interval() -> None:
    random = np.random.default_rng(0)
    skill = random.normal(0, 6, 12)
    measured = {
        size: {f"v{n}": [80 - 50 * size**-0.5 + skill[n] + random.normal(0, 2)] for n in range(12)}
        for size in (1, 2, 4, 8, 11)
    }
    told = summarize_curve(measured, metric="f1_25", seed=0)
    assert [point["num_recordings"] for point in told["measured"]] == [1, 2, 4, 8, 11]
    assert told["measured"][0]["value"] == pytest.approx(np.mean([v[0] for v in measured[1].values()]))
    assert [point["num_recordings"] for point in told["extrapolated"]] == [12, 18, 24, 36, 48]
    for point in (*told["measured"], *told["extrapolated"]):
        assert point["low"] <= point["value"] <= point["high"]
        assert point["low"] <= 80 - 50 * point["num_recordings"] ** -0.5 <= point["high"]
    assert "with 24 it would be about" in told["verdict"]


def test_a_flat_curve_says_that_more_hardly_helps() -> None:
    measured = {size: {f"v{n}": [60.0 + n] for n in range(6)} for size in (1, 2, 4, 5)}
    assert "hardly help" in summarize_curve(measured, metric="edit", seed=0)["verdict"]


@pytest.mark.slow
def test_the_command_measures_real_trainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from egoact.commands.data.extract import ExtractSettings, extract
    from egoact.commands.learning.learning_curve import LearningCurveSettings, learning_curve
    from tests.makers.data.recordings import write_labels, write_recording

    videos = {f"k_{n}": write_recording(tmp_path / "videos" / f"k_{n}.mp4", seed=n) for n in range(4)}
    labels, features = (write_labels(tmp_path / "labels.csv", videos),), (tmp_path / "features",)
    small = {"backbone": "tiny-random", "size": 32, "engine": "torch"}
    extract(ExtractSettings(media=(tmp_path / "videos",), features=features[0], **small))  # type: ignore[arg-type]
    asked = LearningCurveSettings(segments=labels, features=features, out=tmp_path / "out", repetitions=1)
    assert learning_curve(asked) == 0
    told = json.loads((tmp_path / "out" / "learning_curve.json").read_text())
    assert [point["num_recordings"] for point in told["measured"]] == [1, 2, 3]
    assert told["measured"][-1]["value"] > 50  # two colours are easy to tell apart
    assert told["verdict"] in capsys.readouterr().out
    assert len((tmp_path / "out" / "learning_curve.csv").read_text().splitlines()) == 1 + 3 + len(told["extrapolated"])

"""What `train-timeline` found in recordings that were held out is kept, and is what its metrics are about."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline
from egoact.timelines.learning.selection import fit_confidence
from tests.makers.data.recordings import write_labels, write_recording


@pytest.mark.parametrize("labelled_only", [False, True])
def test_timelines_of_held_out_recordings_are_kept(tmp_path: Path, labelled_only: bool) -> None:
    from egoact.commands.data.extract import ExtractSettings, extract

    videos = {f"kitchen_{n}": write_recording(tmp_path / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2, 3)}
    labels, features = (write_labels(tmp_path / "labels.csv", videos),), tmp_path / "features"
    extract(
        ExtractSettings(
            media=(tmp_path / "videos",), features=features, backbone="tiny-random", size=32, engine="torch"
        )
    )
    run = tmp_path / "run"
    train_timeline(TrainTimelineSettings(segments=labels, features=(features,), run=run, labelled_only=labelled_only))
    told = json.loads((run / "timelines.json").read_text())
    assert told["held_out"] and set(told["videos"]) == set(videos)
    sides = {
        name: {video: Timeline.from_dict(both[name]) for video, both in told["videos"].items()}
        for name in ("predicted", "truth")
    }
    for video, actions in videos.items():
        truth = sides["truth"][video]
        assert [s.verb for s in truth] == [verb for _, _, verb in actions]
        assert [s.start_seconds for s in truth] == pytest.approx([start for start, _, _ in actions])
    measured = evaluate_timelines(sides["predicted"], sides["truth"], targets=["verb"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert measured["verb"]["f1"] == metrics["verb"]["f1"]
    assert measured["verb"]["frame_accuracy"] == pytest.approx(metrics["verb"]["frame_accuracy"])


@pytest.mark.parametrize("seed", [0, 1106, 1542, 1869])  # from some of them undamped steps lead astray
def test_confidence_is_as_sure_as_held_out_actions_were_right(seed: int) -> None:
    random = np.random.default_rng(seed)
    num_actions = int(random.choice([100, 400, 1500]))
    center, spread = random.uniform(0.2, 0.9), random.choice([0.02, 0.05, 0.1])
    said = np.clip(random.normal(center, spread, num_actions), 0.05, 0.999)
    right = np.ones(num_actions, dtype=bool)
    right[random.choice(num_actions, int(random.integers(1, 20)), replace=False)] = False
    slope, intercept = fit_confidence(said.tolist(), right.tolist())
    sure = 1 / (1 + np.exp(-(slope * (np.log(said) - np.log1p(-said)) + intercept)))
    assert sure.mean() == pytest.approx(right.mean(), abs=0.03)

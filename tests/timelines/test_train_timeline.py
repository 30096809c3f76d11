import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.annotations.labels import Vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.timelines.files import read_timelines, timelines_of
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment, shift
from egoact.runs.loading import load_run
from egoact.runs.segmenter import SegmenterConfig
from egoact.store.concatenation import open_features
from egoact.store.recordings import Recordings
from egoact.timelines.learning.selection import hits
from egoact.timelines.segmenter import settle
from egoact.training.segmentation.fit import Example, augment, collate, stage_loss
from egoact.training.segmentation.recipe import SegmenterRecipe
from egoact.training.segmentation.recordings import read_recordings
from tests.makers.data.recordings import write_labels, write_recording

BACKBONE = {"backbone": "tiny-random", "size": 32, "engine": "torch"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings with two streams, labels of three of them, and a run."""
    folder = tmp_path_factory.mktemp("timeline")
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2, 3, 9)}
    write_labels(folder / "test.csv", {"kitchen_9": videos.pop("kitchen_9")})
    write_labels(folder / "labels.csv", videos, nouns=True)
    streams = ("rgb", "motion")
    extract(ExtractSettings(media=(folder / "videos",), features=folder / "f", streams=streams, **BACKBONE))  # type: ignore[arg-type]
    train_timeline(settings(folder))
    return folder


def settings(folder: Path, **changes: object) -> TrainTimelineSettings:
    made = TrainTimelineSettings(segments=(folder / "labels.csv",), features=(folder / "f",), run=folder / "run")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_actions_of_a_recording_that_was_never_seen_are_found(work: Path, tmp_path: Path) -> None:
    video = work / "videos" / "kitchen_9.mp4"
    assert predict(PredictSettings(video=video, run=work / "run", out=tmp_path)) == 0
    found = read_timelines(tmp_path)
    truth = timelines_of(read_segments(work / "test.csv"))
    metrics = evaluate_timelines(found, truth, targets=["verb"])["verb"]
    assert metrics["edit"] == 100
    assert metrics["f1"]["50"] == 100
    content = json.loads((tmp_path / "timeline.json").read_text())
    assert content["origin"]["head"] == "linear"
    assert all(0 < segment["confidence"] < 1 and segment["noun"] for segment in content["segments"])
    assert {entry["name"] for entry in content["segments"][0]["top5"]["verb"]} == {"open", "close"}


def test_predict_computes_the_steps_that_the_run_looks_at(work: Path) -> None:
    """Every second one of the store's, with the same features."""
    from egoact.extraction.recordings import compute_features
    from egoact.media.sources import MediaSource
    from egoact.store.buffer import FeatureBuffer

    run = load_run(work / "run")
    stored = Recordings(open_features(work / "f"))["kitchen_1"]
    source = MediaSource("kitchen_1", work / "videos" / "kitchen_1.mp4", "video")
    with FeatureBuffer((stored.shape[1],)) as buffer:
        assert compute_features(source, run.engine, buffer, rate=8, stride=2) is None
        np.testing.assert_allclose(buffer.read().astype(float), stored[::2].astype(float), atol=2e-2)


def test_metrics_are_those_of_recordings_that_were_held_out(work: Path) -> None:
    metrics = json.loads((work / "run" / "metrics.json").read_text())
    assert metrics["num_videos"] == 3
    assert 0 <= metrics["calibration_error"] <= 100
    assert metrics["verb"]["f1"]["25"] > 80


def test_the_same_command_gives_the_same_run(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_timeline(settings(work, run=tmp_path))
    for name in ("model.safetensors", "config.json", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (work / "run" / name).read_bytes()
    train_timeline(settings(work, run=tmp_path))
    assert "already trained" in capsys.readouterr().out
    with pytest.raises(ArtifactError, match="holds a run of other settings"):
        train_timeline(settings(work, run=tmp_path, seed=1))


@pytest.mark.parametrize("segmenter", ["mstcn", "asformer", "gru", "causal_tcn"])
def test_networks_train_and_answer(work: Path, tmp_path: Path, segmenter: str) -> None:
    options = ("width=8",) if segmenter == "gru" else ("width=8", "layers=3")
    train_timeline(
        settings(
            work,
            run=tmp_path,
            segmenter=segmenter,
            segmenter_options=options,
            updates=3,
            members=2,
            streams=("motion",),
        )
    )
    run = load_run(tmp_path)
    assert run.answers.config.backbones[0].modality == "motion"
    said = run.answers.score(np.zeros((20, 131), np.float16))  # type: ignore[union-attr]
    assert {target: values.shape for target, values in said.items()} == {"verb": (20, 3), "noun": (20, 3)}


def test_partial_labels_say_nothing_of_what_lies_outside_them(work: Path) -> None:
    table = read_segments(work / "labels.csv")
    vocabularies = {"verb": Vocabulary("verb", ("close", "open"))}
    recordings = Recordings(open_features(work / "f"))
    whole = read_recordings(recordings, table, vocabularies, labelled_only=False)  # type: ignore[arg-type]
    partial = read_recordings(recordings, table, vocabularies, labelled_only=True)  # type: ignore[arg-type]
    for full, part in zip(whole, partial, strict=True):
        np.testing.assert_array_equal(part.labels, np.where(full.labels == 2, -1, full.labels))
        assert {0, 1, 2} == set(full.labels.ravel().tolist())


def test_stretches_are_enough_for_partial_labels_and_not_for_gaps(work: Path, tmp_path: Path) -> None:
    labels = (work / "labels.csv",)
    media = (work / "videos",)
    extract(ExtractSettings(media=media, features=tmp_path / "f", segments=labels, **BACKBONE))  # type: ignore[arg-type]
    partial = settings(work, features=(tmp_path / "f",), run=tmp_path / "run", labelled_only=True)
    assert train_timeline(partial) == 0
    with pytest.raises(ArtifactError, match="3 of 3 recordings, such as kitchen_1, are not in the feature store from"):
        train_timeline(replace(partial, run=tmp_path / "other", labelled_only=False))


def test_a_run_of_timelines_names_no_clips(work: Path) -> None:
    run = load_run(work / "run")
    for name in ("recognizer", "config"):
        with pytest.raises(ArtifactError, match="finds actions in recordings, and does not name clips"):
            getattr(run, name)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"segmenter": "tcn"}, "unknown segmenter 'tcn'; there are linear, causal"),
        ({"rate": 3}, "--rate 3 does not divide 8"),
        ({"members": 0}, "--members must be at least 1"),
        ({"warp": 0.5}, "warp must be at least 1"),
        ({"segmenter_options": ("width=3",)}, "'linear' has no option 'width'"),
    ],
)
def test_impossible_settings_are_said(work: Path, tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        train_timeline(settings(work, run=tmp_path / "run", **change))


def test_damaged_runs_are_told_apart(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "run", tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"stride": 3}))
    with pytest.raises(ArtifactError, match="8 steps a second cannot be thinned by 3"):
        load_run(tmp_path / "run")
    config.write_text(json.dumps(values | {"backbones": values["backbones"][:1]}))
    with pytest.raises(ArtifactError, match="weights cannot be used"):
        load_run(tmp_path / "run")
    config.write_text(json.dumps(values))
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="has no weights"):
        load_run(tmp_path / "run")
    again = SegmenterConfig.from_dict(values).to_dict()
    assert json.loads(json.dumps(again)) == values


# --- pieces ---


def test_warps_keep_features_and_labels_together() -> None:
    labels = np.repeat([0, 1, 2], 30)[None]
    example = Example(labels.T.astype(np.float32), labels)
    rng = np.random.default_rng(0)
    lengths = set()
    for _ in range(20):
        warped = augment(example, SegmenterRecipe(warp=1.5), rng)
        lengths.add(len(warped.features))
        assert np.abs(warped.features[:, 0] - warped.labels[0]).max() <= 0.5
        assert 60 <= len(warped.features) <= 135
    assert len(lengths) > 5
    assert len(augment(example, SegmenterRecipe(warp=1.0, most_steps=20), rng).features) == 20


def test_unknown_steps_have_no_loss() -> None:
    import torch

    recipe, sizes = SegmenterRecipe(), [3, 2]
    known = Example(np.zeros((6, 4), np.float32), np.array([[0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 0, 1]]))
    longer = Example(np.zeros((9, 4), np.float32), np.full((2, 9), -1))
    _, labels, mask = collate([known, longer])
    assert mask.sum() == 15
    logits = torch.randn(2, 5, 9)
    expected = stage_loss(logits[:1, :, :6], torch.from_numpy(known.labels)[None], sizes, recipe)
    torch.testing.assert_close(stage_loss(logits, labels, sizes, recipe), expected)
    assert stage_loss(logits[1:], labels[1:], sizes, recipe) == 0


def test_names_are_settled_by_all_steps() -> None:
    shares = {"verb": np.array([[0.6, 0.3, 0.1]] * 3 + [[0.001, 0.9, 0.099]] * 2 + [[0.1, 0.1, 0.8]] * 2)}
    spans = [(0, 3, (1,)), (3, 5, (0,)), (5, 7, (1,))]
    assert settle(spans, shares, [(0,), (1,)]) == [(0, 3, (0,)), (3, 5, (1,)), (5, 7, (0,))]
    assert settle([(0, 2, (1,)), (2, 3, (0,))], shares, [(0,), (1,)]) == [(0, 3, (0,))]


def test_an_action_is_right_where_it_overlaps_one_of_its_name() -> None:
    truth = Timeline("v", (TimelineSegment(0, 4, "open", None, 1.0), TimelineSegment(6, 8, "close", None, 1.0)))
    found = replace(
        truth,
        segments=(
            TimelineSegment(3, 4, "open", None, 0.5),
            TimelineSegment(4.1, 5, "open", None, 0.5),
            TimelineSegment(6, 8, "open", None, 0.5),
            TimelineSegment(7.7, 9.7, "close", None, 0.5),
        ),
    )
    assert hits(found, truth) == [True, False, False, False]


def test_timelines_of_parts_begin_anew() -> None:
    whole = Timeline("v", tuple(TimelineSegment(a, a + 2, "open", None, 1.0) for a in (0, 3, 6, 9)), 12.0)
    part = shift(whole, 4.0, duration=3.0)
    assert [(s.start_seconds, s.stop_seconds) for s in part] == [(0.0, 1.0), (2.0, 3.0)]
    assert part.duration_seconds == 3.0


def test_a_single_kind_of_action_is_told_from_background(work: Path, tmp_path: Path) -> None:
    lines = (work / "labels.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join([lines[0], *(line for line in lines if ",open," in line)]) + "\n")
    train_timeline(settings(work, segments=(tmp_path / "one.csv",), run=tmp_path / "run", targets=("verb",)))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["verb"]["f1"]["25"] > 80


def test_an_action_shorter_than_a_step_has_the_step_it_lies_in(work: Path) -> None:
    (stretch,) = Recordings(open_features(work / "f")).whole("kitchen_1")
    assert stretch.steps_between(1.0, 1.01) == slice(8, 9)
    assert stretch.steps_between(1.0, 1.5) == slice(8, 12)
    assert stretch.steps_between(1000.0, 1001.0) == slice(len(stretch), len(stretch))

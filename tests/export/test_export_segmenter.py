"""Exports of runs that find actions in recordings answer as the runs do, whole and step by step."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.using.export import export
from egoact.core.errors import ArtifactError
from egoact.runs.loading import EngineChoice, load_run
from tests.export.conftest import settings_for
from tests.live.test_step_streams import ALL, save_run

FORMATS = ("tensorrt", "openvino")  # the former is onnx, and checked


@pytest.mark.parametrize("segmenter", ["linear", "causal", "causal_tcn", "mstcn", "gru", "asformer"])
def test_exports_answer_like_the_run(segmenter: str, recording: Path, tmp_path: Path) -> None:
    streams = ALL if segmenter in ("linear", "causal") else ALL[:1]  # of which segmenters see the width alone
    path = save_run(tmp_path / "run", segmenter, streams=streams)
    run = load_run(path, EngineChoice(engine="torch", precision="f32"))
    features = np.random.default_rng(0).random((1100, sum(run.segmenter.config.num_channels))).astype(np.float16)
    expected = run.segmenter.score(features)
    frames = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    of_frames = run.engine.run(frames, frames[::-1])
    has_steps = not run.segmenter.looks_ahead
    for format in FORMATS:
        out = tmp_path / format
        assert export(settings_for(recording, path, out, format=format)) == 0
        made = load_run(out)
        found = made.segmenter.score(features)
        for target, said in expected.items():
            np.testing.assert_allclose(np.exp(found[target]), np.exp(said), atol=1e-4)
            assert np.ptp(np.exp(said), axis=0).max() > 1e-3, "it says the same of everything"
        for theirs, ours in zip(made.engine.run(frames, frames[::-1]), of_frames, strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-3)
        assert has_steps == segmenter.startswith("causal") == bool(list(out.glob("step.*")))
        if not has_steps:
            with pytest.raises(ValueError, match="looks into the future"):
                made.segmenter.initial_state()
            continue
        state = made.segmenter.initial_state()
        for i, step in enumerate(features[:100]):
            said, state = made.segmenter.step(step, state)
            for target, values in expected.items():
                np.testing.assert_allclose(np.exp(said[target]), np.exp(values[i]), atol=1e-4)


def test_the_manifest_says_what_is_there_and_how_far_it_is_from_torch(recording: Path, tmp_path: Path) -> None:
    path, out = save_run(tmp_path / "run", "causal", streams=("grid", "motion")), tmp_path / "out"
    assert export(settings_for(recording, path, out)) == 0
    parity = json.loads((out / "export.json").read_text())["parity"]
    assert set(parity) == {"num_clips", "features", "sequence", "step"}
    assert parity["step"]["verb"]["same_answer"] == 1
    assert sorted(p.name for p in out.glob("*.onnx")) == ["frame_grid.onnx", "sequence.onnx", "step.onnx"]
    with pytest.raises(ArtifactError, match="give the run that it was made from"):
        export(settings_for(recording, out, tmp_path / "again"))
    values = json.loads((out / "export.json").read_text())
    del values["files"]["frame_grid.onnx"]
    (out / "export.json").write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="no graph frame_grid"):
        _ = load_run(out).engine


def test_weights_in_float16_are_half_as_large_and_answer_alike(recording: Path, tmp_path: Path) -> None:
    path = save_run(tmp_path / "run", "causal")
    for precision in ("f32", "f16"):
        assert export(settings_for(recording, path, tmp_path / precision, precision=precision)) == 0
    plain, small = (load_run(tmp_path / precision) for precision in ("f32", "f16"))
    sizes = [(each.path / "sequence.onnx").stat().st_size for each in (plain, small)]
    assert sizes[1] < 0.75 * sizes[0]
    assert small.engine.precision == "f16"
    features = np.random.default_rng(0).random((50, sum(small.segmenter.config.num_channels))).astype(np.float32)
    expected, found = plain.segmenter.score(features), small.segmenter.score(features)
    for target, said in expected.items():
        np.testing.assert_allclose(np.exp(found[target]), np.exp(said), atol=5e-3)
        assert not np.array_equal(found[target], said)


def test_int8_is_refused_and_writes_nothing(recording: Path, tmp_path: Path) -> None:
    path = save_run(tmp_path / "run", "causal")
    with pytest.raises(ValueError, match="in f32 or f16 only"):
        export(settings_for(recording, path, tmp_path / "out", precision="int8"))
    assert not (tmp_path / "out").exists()


def test_an_export_of_an_earlier_version_is_refused_in_a_line(recording: Path, tmp_path: Path) -> None:
    path, out = save_run(tmp_path / "run", "causal", streams=("rgb",)), tmp_path / "out"
    assert export(settings_for(recording, path, out)) == 0
    values = json.loads((out / "export.json").read_text())
    del values["reach"]
    (out / "export.json").write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="earlier version of egoact made this export; export the run again"):
        load_run(out)

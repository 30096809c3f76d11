"""Exports as LiteRT and ExecuTorch answer as the runs do, and take the place of runs."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.commands.using.export import export
from egoact.core.errors import ArtifactError
from egoact.engines.graphs import executorch_graphs
from egoact.runs.exported import ExportedFrames, read_export
from egoact.runs.graph_files import open_graph
from egoact.runs.loading import EngineChoice, load_run
from tests.export.conftest import settings_for
from tests.export.test_export import NUM_FRAMES, make_run
from tests.live.test_step_streams import save_run

SUFFIXES = {"litert": "tflite", "executorch": "pte"}
NEEDED = {"litert": ("litert_torch", "ai_edge_litert"), "executorch": ("executorch",)}
EXTRAS = {"litert": "litert-export", "executorch": "executorch"}


def only(format: str, *values: str):
    """A parameter that is skipped where the format cannot be written."""
    reason = f"{format} cannot be written here: pip install 'egoact[{EXTRAS[format]}]'"
    return pytest.param(
        format, *values, marks=pytest.mark.skipif(not all(map(find_spec, NEEDED[format])), reason=reason)
    )


every_format = pytest.mark.parametrize("format", [only(format) for format in SUFFIXES])
pytestmark = pytest.mark.filterwarnings("ignore")  # of its libraries' own making


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "precision"),
    [
        only("litert", "f32"),
        only("litert", "f16"),
        only("litert", "int8"),
        only("executorch", "f32"),
        only("executorch", "int8"),
    ],
)
def test_an_export_answers_like_the_run(format: str, precision: str, recording: Path, tmp_path: Path, capfd) -> None:
    path, out = make_run(tmp_path / "run"), tmp_path / "out"
    assert export(settings_for(recording, path, out, format=format, precision=precision)) == 0
    assert "cpuinfo" not in capfd.readouterr().err, "a library's own lines"
    run, made = load_run(path, EngineChoice(engine="torch", precision="f32")), load_run(out)
    suffix = SUFFIXES[format]
    assert sorted(p.name for p in out.glob(f"*.{suffix}")) == [f"frame.{suffix}", f"window.{suffix}"]
    features = np.random.default_rng(0).random((3, NUM_FRAMES, 32)).astype(np.float16)
    expected, found = run.recognizer.score(features), made.recognizer.score(features)
    for target, logits in expected.items():
        shares = np.exp(logits - logits.max(1, keepdims=True))
        np.testing.assert_allclose(np.exp(found[target]), shares / shares.sum(1, keepdims=True), atol=1e-4)
    assert (made.engine.name, made.engine.precision) == (format, precision)
    lowest = read_export(out).parity["features"]["lowest"]
    assert 0.99 < lowest < (0.999999 if precision == "int8" else 1.1), "it agrees, and is quantised where it should be"


@pytest.mark.slow
@every_format
@pytest.mark.parametrize(("segmenter", "nouns"), [("causal", True), ("causal", False), ("causal_tcn", False)])
def test_a_run_of_whole_recordings_goes_step_by_step(
    segmenter: str, nouns: bool, format: str, recording: Path, tmp_path: Path
) -> None:
    path, out = save_run(tmp_path / "run", segmenter, nouns=nouns), tmp_path / "out"
    assert export(settings_for(recording, path, out, format=format)) == 0
    run, made = load_run(path, EngineChoice(engine="torch", precision="f32")), load_run(out)
    features = np.random.default_rng(0).random((60, sum(run.segmenter.config.num_channels))).astype(np.float16)
    expected, found = run.segmenter.score(features), made.segmenter.score(features)
    for target, said in expected.items():
        np.testing.assert_allclose(np.exp(found[target]), np.exp(said), atol=1e-4)
        assert np.ptp(np.exp(said), axis=0).max() > 1e-3, "it says the same of everything"
    frames = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    for theirs, ours in zip(made.engine.run(frames, frames[::-1]), run.engine.run(frames, frames[::-1]), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-3)
    with pytest.raises(ValueError, match=r"frames must be of shape \('N', 32, 32, 3\)"):
        ExportedFrames(out, "frame_grid").run(np.zeros((1, 16, 16, 3), np.uint8))


@every_format
def test_what_needs_the_whole_recording_is_refused(format: str, recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train one that sees no future"):
        export(settings_for(recording, save_run(tmp_path / "run", "mstcn"), tmp_path / "out", format=format))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "runs_it"), [("litert", "ai_edge_litert.interpreter"), ("executorch", "executorch.runtime")]
)
def test_without_its_libraries_it_says_what_to_install(
    format: str, runs_it: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egoact.engines.graphs.converters.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"pip install 'egoact\[{EXTRAS[format]}\]'"):
        export(settings_for(recording, make_run(tmp_path / "run"), tmp_path / "out", format=format))
    for name in (runs_it, runs_it.partition(".")[0]):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ArtifactError, match=rf"pip install 'egoact\[{format}\]'"):
        open_graph(tmp_path, "frame", format)


@pytest.mark.slow
@pytest.mark.parametrize("format", [only("executorch")])
def test_a_depthwise_convolution_that_pads_is_quantised_with_what_feeds_it(format: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = [nn.Conv2d(3, 16, 1), *(nn.Conv2d(16, 16, 1) for _ in range(3))]  # of six, int8 leaves four alone
    wide = [nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), nn.ReLU6()]
    padded = [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(16, 16, 3, stride=2, groups=16)]
    model = nn.Sequential(*first, *wide, *padded).eval()
    inputs = np.random.default_rng(0).random((4, 1, 3, 8, 8), dtype=np.float32)
    made = executorch_graphs.convert(model, {"x": torch.zeros(1, 3, 8, 8)}, ["y"], calibration=inputs[:, 0])
    (tmp_path / "frame.pte").write_bytes(made)
    run = open_graph(tmp_path, "frame", format)
    for given in inputs:
        expected, found = model(torch.from_numpy(given)).detach().numpy().ravel(), run(given)["y"].ravel()
        cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found)
        assert 0.99 < cosine < 0.999999, "it agrees, and is quantised"


@pytest.mark.skipif(find_spec("executorch") is None, reason="ExecuTorch is not here: pip install 'egoact[executorch]'")
def test_a_damaged_program_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "frame.pte").write_bytes(b"not a program" * 99)
    with pytest.raises(ArtifactError, match="this graph cannot be read"):
        open_graph(tmp_path, "frame", "executorch")


def test_f16_is_not_for_openvino(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="f16 goes with onnx, web and litert"):
        settings_for(recording, tmp_path / "run", tmp_path / "out", format="openvino", precision="f16")

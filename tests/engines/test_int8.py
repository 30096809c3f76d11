"""Features in int8: calibrated on real frames, kept with the store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.data.extract import extract
from egoact.core.errors import ArtifactError
from egoact.engines.interface import Engine
from egoact.engines.loading import load_engine
from egoact.engines.parity import check_parity, compare_features
from egoact.extraction.engine_choice import GRAPH_NAME
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from tests.makers.checks import files
from tests.makers.data.extraction import SPANS, VIDEOS, features, make_video, settings, write_segments

ENGINES = ("openvino", "onnxruntime")
# Twelve small photos calibrate it: ONNX Runtime, which corrects no biases, is then refused by the bound of 0.99.
LOWEST = {"openvino": 0.99, "onnxruntime": 0.98}
every_engine = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    if "engine" in request.fixturenames and request.getfixturevalue("engine") == "openvino":
        from egoact.engines.graphs.openvino_graphs import import_openvino

        import_openvino()
        pytest.importorskip("nncf", reason="int8 with OpenVINO needs NNCF")


def load(backbone: Backbone, engine: str, calibration: np.ndarray | bytes | None) -> Engine:
    return load_engine(backbone, engine=engine, precision="int8", device="cpu", calibration=calibration)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number, video in enumerate(VIDEOS[:3]):
        make_video(folder / f"{video}.mp4", number)
    return folder


def has_vnni() -> bool:
    """Whether the processor adds up products of bytes in 32 bits; others saturate at 16, which costs accuracy."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else "avx_vnni"
    return "avx512_vnni" in flags or "avx_vnni" in flags or "asimddp" in flags


@every_engine
@pytest.mark.slow
@pytest.mark.skipif(not has_vnni(), reason="this processor has no VNNI: products of bytes saturate")
def test_int8_is_close_on_photos_it_was_not_calibrated_on(engine: str, photos: dict[str, np.ndarray]) -> None:
    backbone = load_backbone("efficientnet_lite0", size=128)
    pixels = np.stack(
        [photo.reshape(128, 2, 128, 2, 3).mean((1, 3)).round().astype(np.uint8) for photo in photos.values()]
    )
    mirrored = np.ascontiguousarray(np.concatenate([pixels[:, :, ::-1], pixels[:, ::-1]]))
    made = load(backbone, engine, mirrored)
    assert (made.name, made.precision) == (engine, "int8") and made.graph
    assert len(made.graph) < 0.5 * sum(p.numel() * 4 for p in backbone.module.parameters()), "weights are bytes now"
    reference = load_engine(backbone, engine="torch", precision="f32")
    cosine = compare_features(reference.run(pixels), made.run(pixels)).lowest
    assert LOWEST[engine] < cosine < 0.99999, "below: broken; above: not int8 at all"
    if cosine < 0.99:
        with pytest.raises(ValueError, match=r"int8 gives other features than torch in f32: cosine 0\.9.*needed 0\.99"):
            check_parity(made, backbone, pixels)
    again = load(backbone, engine, made.graph)
    np.testing.assert_array_equal(again.run(pixels), made.run(pixels))


@every_engine
def test_int8_needs_frames_of_the_right_size(engine: str) -> None:
    backbone = load_backbone("tiny-random", size=64)
    with pytest.raises(ValueError, match="int8 is calibrated on real frames, and none were given"):
        load(backbone, engine, None)
    with pytest.raises(ValueError, match=r"uint8 of shape \(B, 64, 64, 3\)"):
        load(backbone, engine, np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="this is no quantised"):
        load(backbone, engine, b"something else")


def test_torch_has_no_int8() -> None:
    with pytest.raises(ValueError, match="engine torch offers no int8; use --engine openvino or onnxruntime"):
        load(load_backbone("tiny-random", size=64), "torch", np.zeros((2, 64, 64, 3), np.uint8))


@every_engine
def test_a_store_keeps_the_graph_that_made_it(engine: str, tmp_path: Path, recordings: Path) -> None:
    """Videos that are added later, and without which it was calibrated, are computed by the same graph."""
    chosen = settings(tmp_path, media=recordings, engine=engine, precision="int8")
    write_segments(chosen.segments[0], VIDEOS[:2])
    assert extract(chosen) == 0
    spec = FeatureStore.open(chosen.features).spec
    assert (spec.engine, spec.precision) == (engine, "int8") and len(spec.quantized) == 64
    graph = (chosen.features / GRAPH_NAME).read_bytes()
    write_segments(chosen.segments[0], VIDEOS[2:3])
    assert extract(replace(chosen, engine="auto", precision="auto")) == 0
    assert (chosen.features / GRAPH_NAME).read_bytes() == graph
    backbone = load_backbone("tiny-random", size=64)
    found = features(chosen)
    assert found.shape == (len(SPANS), 8, 32)
    plain = replace(chosen, features=tmp_path / "plain", precision="f32", engine="torch")
    assert extract(plain) == 0
    exact = features(plain)
    cosine = (found * exact).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert 0.99 < cosine.min() < 0.999999
    assert load(backbone, engine, graph).graph == graph


@every_engine
def test_an_extraction_in_int8_that_was_stopped_goes_on_to_the_same_bytes(
    engine: str, tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[:3])
    whole = settings(tmp_path, media=recordings, engine=engine, precision="int8", workers=1)
    assert extract(whole) == 0
    broken = replace(whole, features=tmp_path / "broken")
    commit, done = StoreWriter.commit, []

    def stop_after_one(writer, video_id, *arguments, **options):
        if done:
            raise KeyboardInterrupt
        done.append(video_id)
        return commit(writer, video_id, *arguments, **options)

    monkeypatch.setattr(StoreWriter, "commit", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        extract(broken)
    monkeypatch.undo()
    kept = (broken.features / GRAPH_NAME).read_bytes()
    assert extract(broken) == 0
    assert (broken.features / GRAPH_NAME).read_bytes() == kept
    assert files(broken.features) == files(whole.features)


def test_a_damaged_graph_is_told(tmp_path: Path, recordings: Path) -> None:
    chosen = settings(tmp_path, media=recordings, engine="onnxruntime", precision="int8")
    write_segments(chosen.segments[0], VIDEOS[:1])
    assert extract(chosen) == 0
    (chosen.features / GRAPH_NAME).write_bytes(b"something else")
    write_segments(chosen.segments[0], VIDEOS[:2])
    with pytest.raises(ArtifactError, match="the quantised graph of this store is damaged"):
        extract(chosen)


def test_without_nncf_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ValueError, match=r"needs NNCF: pip install 'egoact\[int8\]', or use another"):
        load(load_backbone("tiny-random", size=64), "openvino", np.zeros((2, 64, 64, 3), np.uint8))

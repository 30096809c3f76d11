import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from egoact.commands.using.export import ExportSettings, export
from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import locked
from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.tensorrt_rules import complaints
from egoact.engines.parity import Agreement
from egoact.export.parity import check_measured
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.models.heads import HEADS
from egoact.runs.exported import ExportedFrames, read_export
from egoact.runs.graph_files import open_graph
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.data.extraction import make_video, write_segments

FORMATS = ("onnx", "openvino")
every_format = pytest.mark.parametrize("format", FORMATS)
NUM_FRAMES = 20


def make_run(
    path: Path,
    *,
    head: str = "difference",
    nouns: bool = True,
    pairs: tuple[int, ...] = (),
    num_frames: int = NUM_FRAMES,
) -> Path:
    """A run with a tiny backbone and weights that make it say something."""
    torch.manual_seed(0)
    backbone = load_backbone("tiny-random", size=32, kind=HEADS[head].kind)
    vocabularies = {"verb": Vocabulary("verb", ("open", "close", "cut"))}
    if nouns:
        vocabularies["noun"] = Vocabulary("noun", ("fridge", "door", "café", "茶"))
    config = RecognizerConfig(
        head=head,
        vocabularies=vocabularies,
        backbone=backbone.spec,
        num_frames=num_frames,
        dropout=0.5,
        pairs=pairs,
    )
    model = config.build()
    model.observe([torch.rand(8, num_frames, *backbone.spec.feature_shape)])
    for parameter in model.classifiers.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    Recognizer(config, model).save(path)
    return path


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for number, video in enumerate(("A_1", "B_1")):
        make_video(folder / f"{video}.mp4", number)
    write_segments(folder / "segments.csv", ["A_1", "B_1"])
    return folder


def settings(media: Path, run: Path, out: Path, **options) -> ExportSettings:
    options = {"clips": 3} | options
    return ExportSettings(run=run, out=out, segments=(media / "segments.csv",), media=media, **options)


@pytest.fixture(scope="module", params=FORMATS)
def exported(request: pytest.FixtureRequest, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    run = make_run(folder / "run")
    assert export(settings(media, run, folder / "out", format=request.param)) == 0
    return folder


def test_an_export_answers_like_the_run(exported: Path) -> None:
    run, made = Recognizer.load(exported / "run"), Recognizer.load(exported / "out")
    assert made.config == run.config
    features = np.random.default_rng(0).random((5, NUM_FRAMES, 32)).astype(np.float16)
    expected, found = run.score(features), made.score(features)
    assert found.keys() == expected.keys()
    for target, logits in expected.items():
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        assert shares.max() > 0.5, "it has an opinion"
        assert found[target].dtype == np.float32
        np.testing.assert_allclose(np.exp(found[target]), shares, atol=1e-5)


def test_frames_to_answers_whole_and_in_two_steps(exported: Path) -> None:
    out = exported / "out"
    manifest = read_export(out)
    whole, window = (open_graph(out, name, manifest.format) for name in ("recognizer", "window"))
    clip = np.random.default_rng(1).integers(0, 256, (1, NUM_FRAMES, 32, 32, 3), dtype=np.uint8)
    answer = whole(clip)
    assert {target: values.shape for target, values in answer.items()} == {"verb": (1, 3), "noun": (1, 4)}
    frames = ExportedFrames(out)
    one_by_one = np.concatenate([frames.run(frame[None]) for frame in clip[0]])
    np.testing.assert_allclose(one_by_one, frames.run(clip[0]), rtol=1e-4, atol=1e-5)
    for target, values in window(one_by_one[None]).items():
        np.testing.assert_allclose(values, answer[target], atol=1e-5)
        assert values.sum() == pytest.approx(1, abs=1e-5)


def test_what_lies_beside_the_graphs(exported: Path) -> None:
    out = exported / "out"
    labels = json.loads((out / "labels.json").read_text(encoding="utf-8"))
    assert labels == {"verb": ["open", "close", "cut"], "noun": ["fridge", "door", "café", "茶"]}
    told = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert told["parity"]["num_clips"] == 3
    assert told["parity"]["features"]["cosine"] > 0.99999
    for name in ("recognizer", "pair"):
        assert told["parity"][name]["noun"]["same_answer"] == 1.0
        assert told["parity"][name]["verb"]["max_difference"] < 1e-4


def test_whoever_wants_the_engine_of_an_export_gets_its_frame_graph(exported: Path) -> None:
    run, out = exported / "run", exported / "out"
    plain = load_run(run, EngineChoice(engine="torch", precision="f32")).engine
    made = load_run(out).engine
    frames = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(made.run(frames)[0], plain.run(frames)[0], rtol=1e-3, atol=1e-4)
    same = EngineChoice(engine=made.name, precision="f32", device="cpu")
    assert load_run(out, same).engine.name == made.name
    for wrong in ({"engine": "torch"}, {"precision": "int8"}, {"device": "tensorrt"}):
        with pytest.raises(ValueError, match="leave it away"):
            load_run(out, EngineChoice(**wrong)).engine  # noqa: B018
    with pytest.raises(ValueError, match="frames must be uint8"):
        made.run(frames.astype(np.float32))


def test_an_export_cannot_be_looked_into_nor_exported(exported: Path, media: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="give the run that it was made from"):
        _ = Recognizer.load(exported / "out").model
    with pytest.raises(ArtifactError, match="give the run that it was made from"):
        export(settings(media, exported / "out", tmp_path / "again"))


@every_format
def test_a_run_with_a_joint_classifier_is_exported_with_it(format: str, media: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=(0, 5, 9))
    assert export(settings(media, run, tmp_path / "out", format=format)) == 0
    parity = read_export(tmp_path / "out").parity
    assert parity["recognizer"]["verb"]["max_difference"] < 1e-4
    assert Recognizer.load(tmp_path / "out").score(np.zeros((1, NUM_FRAMES, 32), np.float16)).keys() == {"verb", "noun"}


def test_an_export_is_replaced_but_nothing_else_is(exported: Path, media: Path, tmp_path: Path) -> None:
    manifest = read_export(exported / "out")
    assert export(settings(media, exported / "run", exported / "out", format=manifest.format)) == 0
    (exported / "out" / "export.json").unlink()  # as an export leaves it that was ended by a full disk
    (exported / "out" / "config.json.part").touch()
    assert export(settings(media, exported / "run", exported / "out", format=manifest.format)) == 0
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds something that is no export"):
        export(settings(media, exported / "run", tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_one_export_at_a_time_writes_a_folder(media: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with locked(tmp_path / "out", command="export"), pytest.raises(ArtifactError, match="another egoact export"):
        export(settings(media, run, tmp_path / "out"))


def test_a_run_of_several_streams_is_refused_with_advice(media: Path, tmp_path: Path) -> None:
    recognizer = Recognizer.load(make_run(tmp_path / "run"))
    config = replace(recognizer.config, stacked=(recognizer.config.backbone,))
    Recognizer(config, config.build()).save(tmp_path / "several")
    with pytest.raises(ArtifactError, match="several streams .* train one with egoact train --streams rgb"):
        export(settings(media, tmp_path / "several", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_tensorrt_gets_what_it_takes(precision: str, media: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    options = {"precision": precision, "format": "tensorrt"}
    assert export(settings(media, run, tmp_path / "out", **options)) == 0
    manifest = read_export(tmp_path / "out")
    assert (manifest.format, manifest.precision) == ("onnx", precision)
    frame = (tmp_path / "out" / "frame.onnx").read_bytes()
    ranges = [node for node in onnx.load_from_string(frame).graph.node if node.op_type == "QuantizeLinear"]
    assert bool(ranges) == (precision == "int8")
    assert export(settings(media, run, tmp_path / "plain", **options | {"format": "onnx"})) == 0
    told = complaints((tmp_path / "plain" / "frame.onnx").read_bytes())
    assert any("no constant range of int8" in reason for reason in told) == (precision == "int8"), told


def test_what_tensorrt_does_not_take_is_told() -> None:
    def graph(*nodes: onnx.NodeProto, opset: int = 18) -> bytes:
        given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, ["batch", 4])
        output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 4])
        made = onnx.helper.make_graph(list(nodes), "g", [given], [output])
        imports = [onnx.helper.make_opsetid("", opset)]
        return onnx.helper.make_model(made, opset_imports=imports, ir_version=9).SerializeToString()

    node = onnx.helper.make_node
    cast = node("Cast", ["x"], ["floats"], to=onnx.TensorProto.FLOAT)
    assert complaints(graph(cast, node("Relu", ["floats"], ["y"]))) == []
    for refused, reason in (
        (graph(cast, node("Relu", ["floats"], ["y"]), opset=8), "opset 8 is not among 9 to 20"),
        (graph(cast, node("Bernoulli", ["floats"], ["y"])), "operator Bernoulli is not supported"),
        (graph(node("Transpose", ["x"], ["n"]), node("Cast", ["n"], ["y"], to=1)), "bytes go into Transpose"),
        (graph(cast, node("Compress", ["floats", "missing"], ["y"])), "missing"),
    ):
        assert any(reason in told for told in complaints(refused)), complaints(refused)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda out: flip_a_byte(next(out.glob("window.*"))), "window.*: this file of the export is damaged"),
        (lambda out: next(out.glob("frame.*")).unlink(), "frame.*: this file of the export is missing"),
        (lambda out: (out / "export.json").write_text("{}"), "export.json: damaged or of another version"),
        (lambda out: (out / "export.json").write_text("["), "export.json: damaged or of another version"),
        (lambda out: (out / "export.json").unlink(), "this run has no weights"),
        (lambda out: (out / "config.json").unlink(), "no config.json"),
    ],
)
def test_a_damaged_export_is_told_in_one_line(
    exported: Path, tmp_path: Path, harm: Callable[[Path], object], told: str
) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(exported / "out", out)
    harm(out)
    with pytest.raises(ArtifactError, match=told) as refusal:
        Recognizer.load(out)
    assert "\n" not in str(refusal.value)


def test_a_run_without_weights_or_clips_that_cannot_be_read(media: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    with pytest.raises(MediaError):
        export(
            ExportSettings(run=run, out=tmp_path / "out", segments=(media / "segments.csv",), media=elsewhere, clips=2)
        )
    (run / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="this run has no weights"):
        export(settings(media, run, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_graphs_that_say_something_else_are_not_written(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_normalisation(backbone: Backbone) -> FrameModel:
        return FrameModel(backbone.module, mean=(0.0,) * 3, std=(1.0,) * 3)

    monkeypatch.setattr("egoact.export.export.frame_model", other_normalisation)
    with pytest.raises(
        ValueError, match=r"do not agree with torch on 3 clips: features' cosine .* nothing was written"
    ):
        export(settings(media, make_run(tmp_path / "run"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_the_bounds_of_parity(precision: str) -> None:
    def measured(cosine: float, difference: float) -> dict:
        compared = {"verb": {"max_difference": difference, "same_answer": 1.0}}
        return {
            "num_clips": 1,
            "features": asdict(Agreement(1.0, cosine, 0.0)),
            "recognizer": compared,
            "pair": compared,
        }

    check_measured(measured(1.0, 0.0), "onnx", precision)
    for cosine, difference in ((0.98, 0.0), (float("nan"), 0.0), (1.0, float("inf"))):
        with pytest.raises(ValueError, match="do not agree"):
            check_measured(measured(cosine, difference), "onnx", precision)


@pytest.mark.parametrize("format", ["tensorrt", "openvino"])  # the former is onnx, and checked
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.slow
def test_every_head_can_be_exported(format: str, head: str, media: Path, tmp_path: Path) -> None:
    num_frames = 17 if head == "convnet1d" else 5  # heads that walk over frames are traced frame by frame
    run = make_run(tmp_path / "run", head=head, nouns=head != "average", num_frames=num_frames)
    assert export(settings(media, run, tmp_path / "out", format=format, clips=1)) == 0
    parity = read_export(tmp_path / "out").parity
    assert parity["recognizer"]["verb"]["max_difference"] < 1e-4


@every_format
def test_an_export_of_a_stranger_is_refused_in_one_line(format: str, media: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    export(settings(media, make_run(tmp_path / "run"), out, format=format))
    whole = json.loads((out / "export.json").read_text(encoding="utf-8"))
    digest = next(iter(whole["files"].values()))
    for changes in (
        {"files": {"../run/config.json": digest}},
        {"files": {"/etc/passwd": digest}},
        {"files": {str(n): digest for n in range(1000)}},
        {"targets": ["verb", "object"]},
        {"targets": [["verb"]]},
        {"precision": "\x1b[2J"},
        {"parity": [1]},
    ):
        (out / "export.json").write_text(json.dumps(whole | changes))
        with pytest.raises(ArtifactError) as refusal:
            load_run(out)
        assert "\n" not in str(refusal.value) and "\x1b" not in str(refusal.value)


@pytest.mark.parametrize("place", ["weights", "constant", "inner graph"])
def test_a_graph_that_reads_other_files_is_refused(place: str, tmp_path: Path) -> None:
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], b"\0\0\0\0", raw=True)
    onnx.external_data_helper.set_external_data(tensor, location="../secret.bin")
    tensor.ClearField("raw_data")
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    nodes = [onnx.helper.make_node("Constant", [], ["y"], value=tensor)]
    if place == "weights":
        nodes = [onnx.helper.make_node("Identity", ["w"], ["y"])]
    elif place == "inner graph":
        inner = onnx.helper.make_graph(nodes, "inner", [], [output])
        nodes = [onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    given = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    graph = onnx.helper.make_graph(nodes, "g", [given], [output], [tensor] if place == "weights" else [])
    (tmp_path / "window.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ArtifactError, match="another file"):
        open_graph(tmp_path, "window", "onnx")


def test_a_graph_that_cannot_answer_is_one_line(exported: Path) -> None:
    manifest = read_export(exported / "out")
    window = open_graph(exported / "out", "window", manifest.format)
    with pytest.raises(ArtifactError, match="cannot answer") as refusal:
        window(np.zeros((1, NUM_FRAMES, 5), np.float32))
    assert "\n" not in str(refusal.value)


def test_a_graph_of_other_classes_is_refused(media: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    export(settings(media, make_run(tmp_path / "run"), out, format="onnx"))
    values = json.loads((out / "config.json").read_text(encoding="utf-8"))
    values["vocabularies"]["verb"]["names"].append("fly")
    (out / "config.json").write_text(json.dumps(values))
    recognizer = load_run(out).recognizer
    with pytest.raises(ArtifactError, match="gives"):
        recognizer.score(np.zeros((2, NUM_FRAMES, *recognizer.config.feature_shape), np.float32))

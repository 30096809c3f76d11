"""Several feature stores as one, and what is learned from them: early and late fusion, the joint classifier."""

import io
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.models.classifier import ActionClassifier, JointActions, encode_pairs, pairs_seen
from egoact.models.fusion import EarlyFusion, LateClassifier, LateFusion
from egoact.models.heads import HEADS, build_head
from egoact.runs.loading import load_run
from egoact.runs.recognizer import Recognizer
from egoact.store.concatenation import ConcatenatedStores, open_features
from egoact.store.reader import FeatureStore
from egoact.training import data as clips_module
from tests.makers.data.features import SAMPLING, SPEC, other_spec, write_csv, write_store

pytestmark = pytest.mark.usefixtures("one_thread")
OTHER = other_spec(name="other", weights_hash="1" * 64, feature_shape=(4,))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two stores: the first has nothing that tells the nouns apart, the other nothing that tells the verbs apart."""
    csv = write_csv(tmp_path / "train.csv", num_each=48)
    write_store(tmp_path / "a", csv, hide=(2,))
    write_store(tmp_path / "b", csv, spec=OTHER, seed=1, hide=(0, 1))
    return tmp_path


def settings_for(data: Path, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "segments": (data / "train.csv",),
        "features": (data / "a", data / "b"),
        "run": data / "run",
        "validation_videos": ("B_1",),
        "learning_rate": 0.03,
        "epochs": 60,
        "device": "cpu",
    }
    return TrainSettings(**(values | changes))  # type: ignore[arg-type]


def top1(run: Path) -> dict[str, float]:
    metrics = json.loads((run / "metrics.json").read_text())
    return {target: metrics[target]["top1"] for target in ("verb", "noun", "action")}


# Reading.


def test_features_stand_side_by_side_frame_by_frame(data: Path) -> None:
    stack = open_features([data / "a", data / "b"])
    a, b = FeatureStore.open(data / "a"), FeatureStore.open(data / "b")
    table = read_segments(data / "train.csv")
    rows = stack.locate(table, SAMPLING)
    found = stack.gather(rows[[5, 0, 30]])
    assert found.shape == (3, 20, 20) and found.dtype == np.float16
    np.testing.assert_array_equal(found[..., :16], a.gather(a.locate(table, SAMPLING)[[5, 0, 30]]))
    np.testing.assert_array_equal(found[..., 16:], b.gather(b.locate(table, SAMPLING)[[5, 0, 30]]))
    assert isinstance(open_features(data / "a"), FeatureStore)


def test_stores_filled_in_another_order_still_meet_by_segment(data: Path) -> None:
    more = write_csv(data / "more.csv", videos=("A_0", "A_1", "B_1"), num_each=48)
    write_store(data / "c", more, spec=other_spec(name="third"))
    stack = open_features([data / "a", data / "c"])
    rows = stack.locate(read_segments(data / "train.csv"), SAMPLING)
    assert (rows[..., 0] != rows[..., 1]).any()
    c = FeatureStore.open(data / "c")
    expected = c.gather(c.locate(read_segments(data / "train.csv"), SAMPLING))
    np.testing.assert_array_equal(stack.gather(rows)[..., 16:], expected)


def test_maps_stand_side_by_side_in_their_channels(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "train.csv", num_each=2)
    for name, channels in (("a", 4), ("b", 3)):
        write_store(tmp_path / name, csv, spec=other_spec(kind="maps", feature_shape=(channels, 2, 3)))
    stack = open_features([tmp_path / "a", tmp_path / "b"])
    assert stack.gather(stack.locate(read_segments(csv), SAMPLING)).shape == (4, 20, 7, 2, 3)


def test_pooled_features_and_maps_are_not_used_together(data: Path) -> None:
    write_store(data / "c", data / "train.csv", spec=other_spec(OTHER, kind="maps", feature_shape=(4, 2, 2)))
    with pytest.raises(ArtifactError, match=r"c: its kind is maps"):
        open_features([data / "a", data / "c"])


def test_stores_of_other_rates_are_used_together(data: Path) -> None:
    """A recording may be looked at more often for its motion than for its objects."""
    write_store(data / "c", data / "train.csv", spec=replace(OTHER, rate=15))
    stack = open_features([data / "a", data / "c"])
    assert stack.gather(stack.locate(read_segments(data / "train.csv")[:3], SAMPLING)).shape == (3, 20, 20)


def test_maps_of_another_size_are_refused(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "train.csv", num_each=2)
    for name, side in (("c", 2), ("d", 3)):
        write_store(tmp_path / name, csv, spec=other_spec(kind="maps", feature_shape=(4, side, side)))
    with pytest.raises(ArtifactError, match=r"maps have size \(3, 3\), those of .*c \(2, 2\)"):
        open_features([tmp_path / "c", tmp_path / "d"])


def test_a_store_given_twice_and_one_that_lacks_segments_are_named(data: Path) -> None:
    with pytest.raises(ArtifactError, match="given twice"):
        ConcatenatedStores([FeatureStore.open(data / "a"), FeatureStore.open(data / "a")])
    write_store(data / "few", write_csv(data / "few.csv", videos=("A_1",), num_each=48), spec=OTHER)
    with pytest.raises(ArtifactError, match=r"few: 48 of 48 segments have no features"):
        train(settings_for(data, features=(data / "a", data / "few")))


def test_large_maps_are_read_a_few_clips_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv = write_csv(tmp_path / "train.csv", num_each=4)
    write_store(tmp_path / "a", csv, spec=other_spec(kind="maps", feature_shape=(4, 2, 2), dtype="int8"))
    store = open_features(tmp_path / "a")
    table = read_segments(csv)
    split = clips_module.Split(table, store.locate(table, SAMPLING), {})
    assert [len(features) for features in clips_module.finite_features(store, split)] == [8]
    monkeypatch.setattr("egoact.store.concatenation._BATCH_BYTES", 3 * 20 * 16 * 2 + 1)
    assert [len(features) for features in clips_module.finite_features(store, split)] == [3, 3, 2]


# Learning.


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_two_stores_tell_what_each_alone_cannot(data: Path, fusion: str) -> None:
    train(settings_for(data, fusion=fusion))
    train(settings_for(data, features=(data / "a",), run=data / "alone"))
    both, alone = top1(data / "run"), top1(data / "alone")
    assert both["verb"] > 80 and both["noun"] > 85
    assert alone["verb"] > 80 and alone["noun"] < 75
    recognizer = Recognizer.load(data / "run")
    assert [spec.name for spec in recognizer.config.backbones] == ["tiny-random", "other"]
    assert recognizer.config.feature_shape == (20,)
    assert (
        evaluate(
            EvaluateSettings(
                segments=(data / "train.csv",), run=data / "run", features=(data / "a", data / "b"), out=data / "out"
            )
        )
        == 0
    )


def test_a_run_finds_its_stores_among_those_given_in_any_order(data: Path) -> None:
    train(settings_for(data, epochs=1))
    write_store(data / "c", data / "train.csv", spec=other_spec(name="third"))
    run, table = load_run(data / "run"), read_segments(data / "train.csv")
    first, *others = (
        run.score(table, [data / name for name in given]).by_target()["verb"]
        for given in (("a", "b"), ("b", "a"), ("c", "b", "a"))
    )
    assert all((other == first).all() for other in others)
    with pytest.raises(ArtifactError, match="1 given, the run needs 2: --features with tiny-random, other"):
        run.score(table, [data / "a"])
    with pytest.raises(ArtifactError, match="backbone third, the run needs other"):
        run.score(table, [data / "a", data / "c"])


def test_what_looks_at_frames_says_that_it_runs_one_backbone(data: Path) -> None:
    train(settings_for(data, epochs=1))
    with pytest.raises(ArtifactError, match=r"several backbones \(tiny-random, other\)"):
        load_run(data / "run").engine  # noqa: B018


def test_on_the_command_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores = ("--features", str(data / "a"), str(data / "b"))
    fit = ("train", "--segments", str(data / "train.csv"), *stores, "--run", str(data / "run"), "--epochs", "2")
    for arguments in (
        (*fit, "--fusion", "late", "--joint", "--device", "cpu"),
        ("evaluate", "--segments", str(data / "train.csv"), *stores, "--run", str(data / "run"), "--out", str(data)),
    ):
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        assert not stop.value.code, capsys.readouterr().err
    config = json.loads((data / "run" / "config.json").read_text())
    assert config["fusion"] == "late" and len(config["stacked"]) == 1 and len(config["pairs"]) == 6


# Fusion of every head.


def fused(name: str, fusion: str) -> ActionClassifier:
    torch.manual_seed(2)
    shapes = [(5,), (7,)] if HEADS[name].kind == "pooled" else [(5, 3, 3), (7, 3, 3)]
    total = (12, *shapes[0][1:])
    head = (
        EarlyFusion(build_head(name, feature_shape=total, num_frames=20), 12)
        if fusion == "early"
        else LateFusion([build_head(name, feature_shape=shape, num_frames=20) for shape in shapes], (5, 7))
    )
    model = ActionClassifier(head, num_classes={"verb": 4, "noun": 3}, pairs=(0, 4, 7, 10))
    for parameter in model.classifiers.parameters():
        nn.init.normal_(parameter)
    return model


def clips(name: str, batch: int = 6) -> torch.Tensor:
    shape = (batch, 20, 12) if HEADS[name].kind == "pooled" else (batch, 20, 12, 3, 3)
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    features[:, :, 5:] = 50 * features[:, :, 5:] + 300  # the second store has large numbers
    return features


# One head a store leaves flow_attention without flow.
@pytest.mark.parametrize(
    ("name", "fusion"), [(n, f) for n in HEADS for f in ("early", "late") if (n, f) != ("flow_attention", "late")]
)
def test_every_head_can_be_fused(name: str, fusion: str) -> None:
    model, features = fused(name, fusion), clips(name)
    model.observe([features])
    model.train()
    outputs = model.supervised(features)
    each = 3 if fusion == "late" else 1
    assert [target for target, _ in outputs] == ["verb"] * each + ["noun"] * each + ["action"] * each
    torch.stack([values.square().sum() for _, values in outputs]).sum().backward()
    for label, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, label
    logits = model.eval()(features)
    assert {target: tuple(values.shape) for target, values in logits.items()} == {"verb": (6, 4), "noun": (6, 3)}
    masked = model(features, torch.arange(20) < torch.tensor([1, 2, 20, 20, 9, 5])[:, None])
    assert all(values.isfinite().all() for values in masked.values())


@pytest.mark.parametrize("name", HEADS)
def test_early_fusion_standardises_each_channel_once(name: str) -> None:
    model, features = fused(name, "early"), clips(name, 40)
    model.observe([features])
    head, seen = model.head, []
    inner = head.standardize if head.standardize is not None else None
    if inner is None:
        return  # the head standardises by itself; its own test is in test_heads
    head.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    head.eval()(features)
    flat = seen[0].movedim(2, -1).reshape(-1, 12)
    torch.testing.assert_close(flat.mean(0), torch.zeros(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(flat.std(0), torch.ones(12), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("name", "fusion"), [("difference", "early"), ("gru", "late"), ("convlstm", "early")])
def test_exported_to_onnx_fused_and_joint_models_give_the_same_answer(name: str, fusion: str) -> None:
    model = fused(name, fusion).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this exporter legacy, and warns of recurrent layers
        torch.onnx.export(
            model,
            (clips(name, 2),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["features"],
            output_names=["verb", "noun"],
            dynamic_axes={"features": {0: "batch"}, "verb": {0: "batch"}, "noun": {0: "batch"}},
        )
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    features = clips(name, 5)
    with torch.no_grad():
        expected = model(features)
    for target, values in zip(("verb", "noun"), session.run(None, {"features": features.numpy()}), strict=True):
        np.testing.assert_allclose(values, expected[target].numpy(), rtol=1e-4, atol=1e-4)


def test_late_fusion_is_the_weighted_mean_of_log_probabilities() -> None:
    classifier = LateClassifier((3, 2), 4)
    classifier.weights.data = torch.tensor([0.0, 1.0])
    embedding = torch.randn(5, 5)
    first, second = classifier.parts[0](embedding[:, :3]), classifier.parts[1](embedding[:, 3:])
    shares = torch.tensor([1.0, np.e]) / (1 + np.e)
    expected = shares[0] * first.log_softmax(1) + shares[1] * second.log_softmax(1)
    torch.testing.assert_close(classifier(embedding), expected)
    classifier.supervised(embedding)[2].sum().backward()
    assert classifier.parts[0].weight.grad is None, "a store leans on the other"
    assert classifier.weights.grad is not None


def test_late_fusion_learns_to_trust_the_store_that_knows() -> None:
    classifier = LateClassifier((4, 4), 4)
    labels = torch.arange(64) % 4
    noise = torch.randn(64, 4)
    embedding = torch.cat([nn.functional.one_hot(labels, 4) * 3 + noise, torch.randn(64, 4)], 1)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        losses = [nn.functional.cross_entropy(each, labels) for each in classifier.supervised(embedding)]
        torch.stack(losses).sum().backward()
        optimizer.step()
    assert classifier.weights.softmax(0)[0] > 0.7


# The joint classifier.


def test_pairs_and_their_marginals() -> None:
    verbs, nouns = np.array([2, 0, 2, 1]), np.array([1, 1, 0, 1])
    pairs = pairs_seen(verbs, nouns, num_nouns=2)
    assert pairs == (1, 3, 4, 5)
    assert encode_pairs(verbs, nouns, pairs, num_nouns=2).tolist() == [3, 0, 2, 1]
    joint = JointActions(pairs, num_verbs=4, num_nouns=2)
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    found = {target: values.exp() for target, values in joint.marginals(logits).items()}
    torch.testing.assert_close(found["verb"], torch.tensor([[0.1, 0.2, 0.7, 0.0]]))
    torch.testing.assert_close(found["noun"], torch.tensor([[0.3, 0.7]]))


def test_the_answer_is_the_mean_probability_and_unseen_classes_keep_half_of_theirs() -> None:
    joint = JointActions((1, 3, 4, 5), num_verbs=4, num_nouns=2)
    logits = {"verb": torch.randn(3, 4), "noun": torch.randn(3, 2), "action": torch.randn(3, 4)}
    found = {target: values.exp() for target, values in joint.combine(logits).items()}
    own = logits["verb"].softmax(1)
    torch.testing.assert_close(found["verb"][:, 3], own[:, 3] / 2)
    for values in found.values():
        torch.testing.assert_close(values.sum(1), torch.ones(3))
    extreme = {target: values * 1e4 for target, values in logits.items()}
    assert all(values.isfinite().all() for values in joint.combine(extreme).values())


@pytest.mark.parametrize("pairs", [(), (3, 1), (1, 1), (-1, 2), (2, 8)])
def test_pairs_of_other_classes_are_refused(pairs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ascending numbers of 4 verbs x 2 nouns"):
        JointActions(pairs, num_verbs=4, num_nouns=2)


def test_a_joint_run_is_saved_whole_and_its_pairs_are_those_of_training(data: Path) -> None:
    train(settings_for(data, joint=True, mixup=0.2, ema=0.5))
    assert top1(data / "run")["action"] > 65  # 17 by chance
    recognizer = Recognizer.load(data / "run")
    assert recognizer.config.pairs == (0, 1, 2, 3, 4, 5)
    store = open_features([data / "a", data / "b"])
    logits = recognizer.score(store.gather(store.locate(read_segments(data / "train.csv"), SAMPLING)))
    np.testing.assert_allclose(np.exp(logits["verb"]).sum(1), 1, rtol=1e-4)


def test_joint_needs_verbs_and_nouns(tmp_path: Path) -> None:
    write_store(tmp_path / "a", write_csv(tmp_path / "train.csv", nouns=False))
    with pytest.raises(ValueError, match="--joint needs verbs and nouns to learn, there are only verbs"):
        train(settings_for(tmp_path, features=(tmp_path / "a",), joint=True))
    with pytest.raises(ValueError, match="joint actions need verbs and nouns"):
        ActionClassifier(build_head("max", feature_shape=(3,), num_frames=2), num_classes={"verb": 2}, pairs=(0,))


def test_pairs_that_only_validation_has_do_not_disturb(data: Path) -> None:
    text = (data / "train.csv").read_text().splitlines()
    kept = [line for line in text if not (line.startswith("A_1") and line.endswith("cut,door"))]
    (data / "train.csv").write_text("\n".join(kept) + "\n")
    train(settings_for(data, joint=True, epochs=3))
    assert len(Recognizer.load(data / "run").config.pairs) == 5
    assert SPEC.backbone.name == Recognizer.load(data / "run").config.backbone.name

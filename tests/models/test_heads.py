import copy
import io
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from egoact.core.annotations.labels import Vocabulary
from egoact.models.backbones.registry import load_backbone
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import HEADS, Head, build_head
from egoact.models.heads.consensus import AverageHead
from egoact.models.heads.convlstm import ConvLSTM
from egoact.models.heads.head import Standardize
from egoact.models.names import FIXED_HEADS
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.machines.places import SHARED

pytestmark = pytest.mark.usefixtures("one_thread")
T = 20
CLASSES = {"verb": 5, "noun": 7}
SHAPES = {"pooled": (12,), "maps": (6, 5, 4)}
ORDERLESS = {"average", "max", "consensus"}
# A clip of n frames, padded, is the clip of n frames. Not so where frames have learned places in a clip of T frames
# (attention, transformer, probe), are picked by their share of it (relation), or T is fixed (convnet1d).
SAME_UNPADDED = set(HEADS) - {"attention", "transformer", "probe", "relation", "convnet1d"}
WEIGHTS = SHARED / "data" / "weights" / "mobilenet_v2_imagenet_features.safetensors"

every_head = pytest.mark.parametrize("name", HEADS)


def features_for(name: str, *, batch: int = 4, num_frames: int = T, seed: int = 0) -> Tensor:
    shape = (batch, num_frames, *SHAPES[HEADS[name].kind])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5


def classifier_for(name: str, *, num_frames: int = T, **options: object) -> ActionClassifier:
    """A head with classifiers that are not zero, statistics taken, in eval mode; the caller's own."""
    made = copy.deepcopy(_classifier(name, num_frames, tuple(options.items())))
    torch.manual_seed(1)
    return made


@cache
def _classifier(name: str, num_frames: int, options: tuple[tuple[str, Any], ...]) -> ActionClassifier:
    torch.manual_seed(1)
    head = build_head(name, feature_shape=SHAPES[HEADS[name].kind], num_frames=num_frames, **dict(options))
    model = ActionClassifier(head, num_classes=CLASSES)
    for classifier in model.classifiers.values():
        nn.init.normal_(classifier.weight)
        nn.init.normal_(classifier.bias)
    seen = features_for(name, batch=8, num_frames=num_frames, seed=9)
    model.observe([seen])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()
            module.momentum = None  # from now on the mean over all batches, here of one
    with torch.no_grad():
        model.train()(seen)
    return model.eval()


def mask_of(lengths: list[int], num_frames: int = T) -> Tensor:
    return torch.arange(num_frames) < torch.tensor(lengths)[:, None]


def test_those_without_parameters_are_told_without_building_them() -> None:
    found = [name for name in HEADS if not list(classifier_for(name).head.parameters())]
    assert found == [name for name in HEADS if name in FIXED_HEADS] and set(FIXED_HEADS) <= set(HEADS)


@every_head
@pytest.mark.parametrize("batch", [1, 3])
def test_gives_one_embedding_of_the_promised_width_per_clip(name: str, batch: int) -> None:
    model = classifier_for(name)
    features = features_for(name, batch=batch)
    embedding = model.head(features)
    assert embedding.shape == (batch, model.head.width)
    assert embedding.dtype == torch.float32 and embedding.isfinite().all()
    assert {t: tuple(v.shape) for t, v in model(features).items()} == {"verb": (batch, 5), "noun": (batch, 7)}


@every_head
def test_a_clip_gets_the_same_answer_whatever_else_is_in_its_batch(name: str) -> None:
    model, features = classifier_for(name), features_for(name)
    together = model(features)["verb"]
    alone = torch.cat([model(clip[None])["verb"] for clip in features])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.std(0).min() > 1e-3, "all clips get the same answer"


@every_head
def test_a_gradient_reaches_every_trainable_parameter(name: str) -> None:
    model = classifier_for(name).train()
    logits = model(features_for(name, batch=8))
    sum((values * torch.randn_like(values)).sum() for values in logits.values()).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, parameter_name


@every_head
def test_an_epoch_may_end_on_a_single_clip(name: str) -> None:
    model = classifier_for(name).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    before = {key: values.clone() for key, values in model.state_dict().items()}
    logits = model(features_for(name, batch=1))["verb"]
    assert logits.isfinite().all() and logits.grad_fn is not None
    if name in ("lstm", "convnet1d"):  # their last batch normalisation has one value a channel: nothing to learn
        last = [key for key in before if "running_mean" in key][-1]
        torch.testing.assert_close(model.state_dict()[last], before[last])


@every_head
def test_one_step_down_the_gradient_lowers_the_loss(name: str) -> None:
    model = classifier_for(name)
    features, labels = features_for(name, batch=8), torch.arange(8) % 5
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(features)["verb"], labels)

    before = loss()
    before.backward()
    optimizer.step()
    assert loss() < before


@every_head
def test_all_but_the_consensus_heads_know_the_order_of_frames(name: str) -> None:
    model, features = classifier_for(name), features_for(name)
    forward, backward = model.head(features), model.head(features.flip(1))
    if name in ORDERLESS:
        torch.testing.assert_close(forward, backward)
    else:
        changed = (forward - backward).norm(dim=1) / forward.norm(dim=1)
        assert changed.min() > 1e-4  # of attention, whose positions start small, 1e-3; rounding is 1e-7


@every_head
@pytest.mark.parametrize("garbage", [1e3, -1e6, float("nan"), float("inf")])
def test_frames_that_are_not_there_do_not_matter_whatever_they_hold(name: str, garbage: float) -> None:
    model, features, mask = classifier_for(name), features_for(name), mask_of([1, 2, 9, 20])
    spoiled = features.clone()
    spoiled[~mask] = garbage
    expected, found = model(features, mask), model(spoiled, mask)
    for target in CLASSES:
        assert expected[target].isfinite().all()
        torch.testing.assert_close(expected[target], found[target], rtol=0, atol=0)


@every_head
@pytest.mark.parametrize("garbage", [1e3, -1e6])
def test_a_head_by_itself_does_not_look_at_them_either(name: str, garbage: float) -> None:
    head, features, mask = classifier_for(name).head, features_for(name), mask_of([1, 2, 9, 20])
    spoiled = features.clone()
    spoiled[~mask] = garbage
    torch.testing.assert_close(head(features, mask), head(spoiled, mask), rtol=1e-5, atol=1e-6)


def test_relation_repeats_the_last_frame_of_a_short_clip() -> None:
    head, features = classifier_for("relation").head, features_for("relation")
    repeated = torch.cat([features[:, :7], features[:, 6:7].expand(-1, T - 7, -1)], 1)
    torch.testing.assert_close(head(features, mask_of([7] * 4)), head(repeated))


@every_head
def test_no_gradient_comes_from_frames_that_are_not_there(name: str) -> None:
    model, mask = classifier_for(name), mask_of([3, 18, 7, 20])
    features = features_for(name)
    features[~mask] = float("nan")
    features.requires_grad_()
    model(features, mask)["verb"].square().sum().backward()
    assert features.grad is not None
    assert (features.grad[~mask] == 0).all()
    assert features.grad[mask].abs().sum() > 0
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", sorted(SAME_UNPADDED))
@pytest.mark.parametrize("length", [1, 2, 3, 7, 19])
def test_a_padded_clip_is_the_short_clip(name: str, length: int) -> None:
    model, features = classifier_for(name), features_for(name)
    padded = model(features, mask_of([length] * 4))
    short = model(features[:, :length])
    torch.testing.assert_close(padded["verb"], short["verb"], rtol=1e-4, atol=1e-5)


@every_head
def test_a_mask_of_ones_is_no_mask(name: str) -> None:
    model, features = classifier_for(name), features_for(name)
    torch.testing.assert_close(model(features, mask_of([T] * 4))["noun"], model(features)["noun"])


@every_head
def test_a_clip_without_any_frame_gets_a_finite_answer(name: str) -> None:
    model, features = classifier_for(name), features_for(name)
    embedding = model.head(features, mask_of([0, 0, 0, 5]))
    assert embedding.abs().max() < 1e6


@every_head
def test_saved_and_loaded_gives_the_same_answer_to_the_bit(name: str, tmp_path: Path) -> None:
    config = config_for(name)
    recognizer = Recognizer(config, classifier_for(name))
    recognizer.save(tmp_path / "run")
    loaded = Recognizer.load(tmp_path / "run")
    features = features_for(name).numpy()
    expected, found = recognizer.score(features), loaded.score(features)
    assert loaded.config == config
    for target in CLASSES:
        np.testing.assert_array_equal(expected[target], found[target])
    assert not loaded.model.training


def config_for(name: str) -> RecognizerConfig:
    kind = HEADS[name].kind
    backbone = BackboneSpec(
        name="tiny-random",
        weights_hash="0" * 64,
        input_size=(64, 64),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        kind=kind,
        cut=None,
        feature_shape=SHAPES[kind],
    )
    vocabularies = {t: Vocabulary(t, tuple(f"{t} {i}" for i in range(n))) for t, n in CLASSES.items()}
    return RecognizerConfig(head=name, vocabularies=vocabularies, backbone=backbone, num_frames=T, dropout=0.5)


@every_head
def test_exported_to_onnx_gives_the_same_answer_for_any_batch_size(name: str) -> None:
    num_frames = 17 if name == "convnet1d" else 5  # heads that walk over frames are traced frame by frame
    model = classifier_for(name, num_frames=num_frames)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this exporter legacy, and warns of recurrent layers
        torch.onnx.export(
            model,
            (features_for(name, batch=2, num_frames=num_frames),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["features"],
            output_names=list(CLASSES),
            dynamic_axes={"features": {0: "batch"}, "verb": {0: "batch"}, "noun": {0: "batch"}},
        )
    onnx.checker.check_model(buffer.getvalue())
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 5):
        features = features_for(name, batch=batch, num_frames=num_frames, seed=batch)
        found = session.run(["verb", "noun"], {"features": features.numpy()})
        with torch.no_grad():
            expected = model(features)
        for values, target in zip(found, CLASSES, strict=True):
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected[target].numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(set(HEADS) - {"convnet1d"}))
@pytest.mark.parametrize("num_frames", [5, 31])
def test_clips_of_another_length_than_in_training_work(name: str, num_frames: int) -> None:
    model = classifier_for(name)
    features = features_for(name, num_frames=num_frames)
    assert model.head(features).shape == (4, model.head.width)
    if name not in ORDERLESS:
        assert not torch.allclose(model.head(features), model.head(features.flip(1)))


@every_head
@pytest.mark.parametrize("num_frames", [1, 2, 3, 17, 40])
def test_is_built_for_any_number_of_frames_or_says_how_many_it_needs(name: str, num_frames: int) -> None:
    least = {"convnet1d": 17, "difference": 2, "relation": 2, "statistics": 2, "flow_attention": 2}.get(name, 1)
    if num_frames < least:
        with pytest.raises(ValueError, match=rf"needs at least {least} frames, got {num_frames}"):
            classifier_for(name, num_frames=num_frames)
    else:
        model = classifier_for(name, num_frames=num_frames)
        assert model(features_for(name, num_frames=num_frames))["verb"].shape == (4, 5)


@every_head
def test_the_wrong_kind_of_features_is_refused_with_the_flag_that_helps(name: str) -> None:
    needed = HEADS[name].kind
    other = "maps" if needed == "pooled" else "pooled"
    with pytest.raises(ValueError, match=rf"{name}.*--kind {needed}"):
        build_head(name, feature_shape=SHAPES[other], num_frames=T)


@every_head
def test_an_option_that_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"head '{name}'.*no_such_option"):
        build_head(name, feature_shape=SHAPES[HEADS[name].kind], num_frames=T, no_such_option=1)


COUNTS = [
    (name, option)
    for name, head in HEADS.items()
    for option, annotation in head.__init__.__annotations__.items()
    if annotation in (int, int | None) and option != "num_frames"
]


@pytest.mark.parametrize(("name", "option"), COUNTS)
@pytest.mark.parametrize("value", [-1, 0, 2.5, "many"])
def test_counts_that_cannot_be_are_refused(name: str, option: str, value: object) -> None:
    with warnings.catch_warnings(), pytest.raises(ValueError, match=option):
        warnings.simplefilter("error")
        build_head(name, feature_shape=SHAPES[HEADS[name].kind], num_frames=T, **{option: value})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("attention", {"inner": 10, "num_heads": 4}),
        ("transformer", {"width": 10, "num_heads": 4}),
        ("transformer", {"dropout": 1.5}),
        ("tcn", {"dropout": -0.1}),
        ("relation", {"scales": ()}),
        ("relation", {"scales": (1, 0)}),
        ("relation", {"scales": 3}),
        ("relation", {"scales": (9,)}),
        ("convlstm", {"padding": "reflect"}),
        ("convlstm", {"padding": "valid", "kernel_size": 6}),
        ("convlstm", {"width": False}),
        ("relation", {"scales": (2, 1)}),
        ("difference", {"mean_weight": "heavy"}),
        ("difference", {"mean_weight": -1.0}),
        ("difference", {"mean_weight": float("nan")}),
    ],
)
def test_other_impossible_options_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        build_head(name, feature_shape=SHAPES[HEADS[name].kind], num_frames=T, **options)


def test_an_unknown_head_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=re.escape(", ".join(HEADS))):
        build_head("lstn", feature_shape=(12,), num_frames=T)


def test_a_causal_tcn_does_not_look_ahead_and_the_other_does() -> None:
    features = features_for("tcn", batch=1)
    changed = features.clone()
    changed[:, 12:] += 1.0
    mask = mask_of([20])
    for causal in (True, False):
        model = classifier_for("tcn", causal=causal).head
        seen = [model.project(model.standardize(x)).transpose(1, 2) for x in (features, changed)]
        for block in model.blocks:
            seen = [block(x) for x in seen]
        same = torch.allclose(seen[0][..., :12], seen[1][..., :12])
        assert same == causal
        assert not torch.allclose(model(features, mask), model(changed, mask))


def test_the_tcn_that_is_not_causal_passes_the_same_padding_test() -> None:
    model, features = classifier_for("tcn", causal=False), features_for("tcn")
    torch.testing.assert_close(
        model(features, mask_of([7] * 4))["verb"], model(features[:, :7])["verb"], rtol=1e-4, atol=1e-5
    )


def test_attention_of_lsta_sums_to_one_in_every_frame() -> None:
    attention = classifier_for("lsta").head.attend(features_for("lsta"))
    assert attention.shape == (4, T, 5, 4)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(4, T))


def test_statistics_are_those_of_the_training_features() -> None:
    features = features_for("average", batch=50) * torch.linspace(0.1, 9, 12) + torch.arange(12)
    features[..., 3] = 7.0
    head = AverageHead(feature_shape=(12,), num_frames=T)
    ActionClassifier(head, num_classes=CLASSES).observe(features.split(13))
    flat = features.reshape(-1, 12).double()
    expected = flat.std(0, unbiased=False)
    expected[3] = 1.0
    torch.testing.assert_close(head.standardize.mean, flat.mean(0).float())
    torch.testing.assert_close(head.standardize.std, expected.float())
    torch.testing.assert_close(
        head(features[:2, :, 3:4].expand(-1, -1, 12) * 0 + head.standardize.mean), torch.zeros(2, 12)
    )


def test_observing_leaves_dropout_and_the_mode_alone() -> None:
    model = classifier_for("tcn").train()
    model.observe([features_for("tcn")])
    assert model.training
    parts = [m for m in model.modules() if isinstance(m, Standardize)]
    before = parts[0].mean.clone()
    model(features_for("tcn") + 100)
    torch.testing.assert_close(parts[0].mean, before)


@pytest.mark.parametrize("name", ["average", "max", "difference"])
def test_linear_models_start_at_zero_and_deeper_ones_do_not(name: str) -> None:
    head = build_head(name, feature_shape=(12,), num_frames=T)
    assert all((p == 0).all() for p in ActionClassifier(head, num_classes=CLASSES).parameters())
    deep = ActionClassifier(build_head("gru", feature_shape=(12,), num_frames=T), num_classes=CLASSES)
    assert all((c.weight != 0).any() for c in deep.classifiers.values())


def test_nothing_to_classify_is_refused() -> None:
    with pytest.raises(ValueError, match="no targets"):
        ActionClassifier(build_head("max", feature_shape=(12,), num_frames=T), num_classes={})


# The numbers of the report: on features of the backbones themselves.


def backbone(*, kind: str = "pooled", cut: int | None = None) -> BackboneSpec:
    if WEIGHTS.is_file():
        return load_backbone("mobilenet_v2", weights=WEIGHTS, kind=kind, cut=cut).spec
    if cut is not None:
        pytest.skip(f"the weights of mobilenet_v2 are not at {WEIGHTS}")
    return load_backbone("efficientnet_lite0", kind=kind).spec


def real_head(name: str, spec: BackboneSpec, **options: object) -> Head:
    return build_head(name, feature_shape=spec.feature_shape, num_frames=20, **options)


def num_trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_the_lstm_of_the_report_has_266_963_parameters() -> None:
    spec = backbone()
    assert spec.feature_shape == (1280,)
    model = ActionClassifier(real_head("lstm", spec), num_classes={"verb": 13})
    assert model.num_trainable == 266_963
    assert num_trainable(model.head.lstm) == 266_200


def test_the_convnet1d_of_the_report_has_85_137_parameters() -> None:
    model = ActionClassifier(real_head("convnet1d", backbone()), num_classes={"verb": 97, "noun": 300})
    assert model.num_trainable == 85_137


def test_the_convlstm_of_the_report_has_446_909_parameters() -> None:
    spec = backbone(kind="maps", cut=12)
    assert spec.feature_shape == (96, 16, 16)
    model = ActionClassifier(real_head("convlstm", spec), num_classes={"verb": 13})
    assert model.num_trainable == 446_909


@pytest.mark.parametrize(("kernels", "options", "expected"), [(50, {}, 4_256_200), (8, {"stride": 4}, 659_488)])
def test_convlstm_layers_of_figure_8_and_of_the_text(kernels: int, options: dict[str, int], expected: int) -> None:
    spec = backbone(kind="maps")
    assert spec.feature_shape == (1280, 8, 8)
    head = real_head("convlstm", spec, kernels=kernels, kernel_size=4, **options)
    assert num_trainable(head.convlstm) == expected


def test_convlstm_padding() -> None:
    maps = torch.zeros(1, 2, 3, 8, 8)
    assert ConvLSTM(3, 5, kernel_size=4)(maps).shape == (1, 2, 5, 8, 8)
    assert ConvLSTM(3, 5, kernel_size=4, stride=4)(maps).shape == (1, 2, 5, 2, 2)
    assert ConvLSTM(3, 5, kernel_size=4, padding="valid")(maps).shape == (1, 2, 5, 5, 5)


def test_the_lstm_learns_as_torch_s_own() -> None:
    head, features = build_head("lstm", feature_shape=(24,), num_frames=6, width=5), torch.randn(4, 6, 24)
    wanted = torch.randn(4, 6, 5)
    gradients = {}
    for own in (True, False):
        head.zero_grad()
        x = features.clone().requires_grad_()
        states = head._states(x) if own else head.lstm(x)[0]
        (states * wanted).sum().backward()
        gradients[own] = [states, x.grad, *(p.grad for p in head.parameters() if p.grad is not None)]
    assert len(gradients[True]) == 5  # the states; by features, two matrices and a bias
    for ours, theirs in zip(gradients[True], gradients[False], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import BackboneSpec
from egoact.runs.recognizer import CONFIG_NAME, FORMAT_VERSION, WEIGHTS_NAME, Recognizer, RecognizerConfig

CONFIG = RecognizerConfig(
    head="relation",
    head_options={"width": 8, "scales": (2, 3)},
    vocabularies={
        "verb": Vocabulary("verb", ("open", "close", "cut"), ("access", "access", "split"), frozenset({2})),
        "noun": Vocabulary("noun", ("réfrigérateur", "茶")),
    },
    backbone=BackboneSpec(
        name="tiny-random",
        weights_hash="0" * 64,
        input_size=(64, 96),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.25, 0.5),
        kind="pooled",
        cut=None,
        feature_shape=(6,),
    ),
    num_frames=5,
    dropout=0.25,
)


@pytest.fixture
def recognizer() -> Recognizer:
    torch.manual_seed(0)
    model = CONFIG.build()
    model.observe([torch.randn(4, 5, 6)])
    return Recognizer(CONFIG, model)


@pytest.fixture
def run(recognizer: Recognizer, tmp_path: Path) -> Path:
    recognizer.save(tmp_path / "run")
    return tmp_path / "run"


def features(num: int = 3, **options: Any) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((num, 5, 6)).astype(options.get("dtype", np.float32))


def refused(run: Path) -> str:
    with pytest.raises(ArtifactError) as refusal:
        Recognizer.load(run)
    message = str(refusal.value)
    assert "\n" not in message and str(run) in message
    return message


def test_a_run_holds_all_that_prediction_needs(recognizer: Recognizer, run: Path) -> None:
    assert sorted(p.name for p in run.iterdir()) == [CONFIG_NAME, WEIGHTS_NAME]
    loaded = Recognizer.load(run)
    assert loaded.config == CONFIG
    assert loaded.config.head_options["scales"] == (2, 3), "JSON makes a list of it"
    assert loaded.config.vocabularies["noun"].names[1] == "茶"
    assert json.loads((run / CONFIG_NAME).read_text(encoding="utf-8"))["format_version"] == FORMAT_VERSION
    for target, values in recognizer.score(features()).items():
        np.testing.assert_array_equal(loaded.score(features())[target], values)


def test_runs_of_earlier_versions_keep_what_streams_need_of_their_rules(run: Path) -> None:
    path = run / CONFIG_NAME
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["window_seconds"], values["temperature"]
    rules = {"rate": 8, "window_seconds": [0.5, 1.0], "temperature": {"verb": 2.0}, "has_background": False}
    path.write_text(json.dumps(values | {"timeline": rules}))
    config = Recognizer.load(run).config
    assert config.window_seconds == (0.5, 1.0) and config.temperature == {"verb": 2.0}
    path.write_text(json.dumps(values | {"timeline": rules | {"has_background": True}}))
    config = Recognizer.load(run).config
    assert config.window_seconds == (0.5, 1.0) and config.temperature == {}, "it was the second model's"
    path.write_text(json.dumps(values | {"timeline": None}))
    assert Recognizer.load(run).config == CONFIG
    path.write_text(json.dumps(values | {"temperature": {"verb": 0}}))
    assert "temperatures {'verb': 0}" in refused(run)


def test_saving_again_replaces_the_run(recognizer: Recognizer, run: Path) -> None:
    with torch.no_grad():
        recognizer.model.classifiers["verb"].bias.add_(1)
    before = Recognizer.load(run).score(features())["verb"]
    recognizer.save(str(run))
    np.testing.assert_allclose(Recognizer.load(str(run)).score(features())["verb"], before + 1, rtol=1e-5)


def test_scores_are_float32_and_dropout_is_off(recognizer: Recognizer) -> None:
    recognizer.model.train()
    fresh = Recognizer(CONFIG, recognizer.model)
    found = fresh.score(features())
    assert {t: (v.shape, v.dtype) for t, v in found.items()} == {
        "verb": ((3, 3), np.float32),
        "noun": ((3, 2), np.float32),
    }
    np.testing.assert_array_equal(found["verb"], fresh.score(features())["verb"])


def test_features_may_be_halves_read_only_or_scattered_in_memory(recognizer: Recognizer) -> None:
    halves = features(6, dtype=np.float16)
    expected = recognizer.score(halves.astype(np.float32))["verb"]
    np.testing.assert_array_equal(recognizer.score(halves)["verb"], expected)
    halves.flags.writeable = False
    np.testing.assert_array_equal(recognizer.score(halves)["verb"], expected)
    np.testing.assert_allclose(recognizer.score(halves[::-2])["verb"], expected[::-2], rtol=1e-5)
    assert recognizer.score(halves[:0])["noun"].shape == (0, 2)


@pytest.mark.parametrize("shape", [(3, 5, 7), (5, 6), (3, 5, 6, 2), (6,)])
def test_features_of_another_shape_are_refused(recognizer: Recognizer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"features must have shape \(N, T, 6\), got"):
        recognizer.score(np.zeros(shape, np.float32))


# What is handed to us may be anything.


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a file"])
def test_what_is_no_run(what: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    if what == "an empty folder":
        path.mkdir()
    elif what == "a file":
        path.write_text("run")
    assert "not a run directory: it has no config.json; make one with egoact train" in refused(path)


def test_a_run_whose_training_was_not_finished(run: Path) -> None:
    (run / WEIGHTS_NAME).unlink()
    assert "no weights (model.safetensors); was its training finished?" in refused(run)


def test_a_run_that_was_killed_while_saving_is_not_taken_for_one(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("egoact.runs.weights.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        recognizer.save(tmp_path / "run")
    assert "not a run directory" in refused(tmp_path / "run")


def change(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        values = json.loads(path.read_text(encoding="utf-8"))
        edit(values)
        path.write_text(json.dumps(values), encoding="utf-8")

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "not text": lambda path: path.write_bytes(bytes(range(256))),
    "a list": lambda path: path.write_text("[]"),
    "a number": lambda path: path.write_text("3"),
    "null": lambda path: path.write_text("null"),
    "no version": change(lambda c: c.pop("format_version")),
    "later version": change(lambda c: c.update(format_version=FORMAT_VERSION + 1)),
    "no head": change(lambda c: c.pop("head")),
    "unknown head": change(lambda c: c.update(head="lstn")),
    "head is a list": change(lambda c: c.update(head=["lstm"])),
    "unknown option": change(lambda c: c["head_options"].update(colour=3)),
    "option of another type": change(lambda c: c["head_options"].update(width="wide")),
    "options are a list": change(lambda c: c.update(head_options=[1])),
    "negative width": change(lambda c: c["head_options"].update(width=-8)),
    "no frames": change(lambda c: c.update(num_frames=0)),
    "frames are text": change(lambda c: c.update(num_frames="five")),
    "dropout is text": change(lambda c: c.update(dropout="half")),
    "dropout too high": change(lambda c: c.update(dropout=2)),
    "no vocabularies": change(lambda c: c.update(vocabularies={})),
    "a vocabulary is null": change(lambda c: c["vocabularies"].update(noun=None)),
    "no backbone": change(lambda c: c.pop("backbone")),
    "unknown backbone field": change(lambda c: c["backbone"].update(colour=3)),
    "features of no width": change(lambda c: c["backbone"].update(feature_shape=[-6])),
    "features of the other kind": change(lambda c: c["backbone"].update(feature_shape=[6, 4, 4])),
    "standard deviation of zero": change(lambda c: c["backbone"].update(std=[0.5, 0.0, 0.5])),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_configuration_is_one_clear_line(damage: str, run: Path) -> None:
    DAMAGES[damage](run / CONFIG_NAME)
    message = refused(run)
    assert "damaged or of another version" in message and CONFIG_NAME in message


def test_another_version_names_both(run: Path) -> None:
    DAMAGES["later version"](run / CONFIG_NAME)
    assert f"format_version is {FORMAT_VERSION + 1}, this egoact reads {FORMAT_VERSION}" in refused(run)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


@pytest.mark.parametrize(
    "damage", ["empty", "cut off", "pickle", "torch pickle", "folder", "lacks one", "one more", "shape"]
)
def test_damaged_or_foreign_weights_are_one_clear_line(damage: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    path = run / WEIGHTS_NAME
    state, content = load_file(path), path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(content[:-100])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif damage == "torch pickle":
        torch.save(state | {"evil": Evil()}, path)
    elif damage == "folder":
        path.mkdir()
        assert "no weights" in refused(run)
        return
    else:
        state.pop("classifiers.verb.bias") if damage == "lacks one" else None
        state |= {"one.more": torch.zeros(1)} if damage == "one more" else {}
        state |= {"classifiers.noun.bias": torch.zeros(3)} if damage == "shape" else {}
        save_file(state, path)
    assert "these weights cannot be used" in refused(run) and not (run / "unpickled").exists()

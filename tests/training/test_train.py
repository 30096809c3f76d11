"""Training and evaluating on small stores: results, resuming, and every way it is refused."""

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from egoact.cli import main
from egoact.commands.learning import train as train_module
from egoact.commands.learning.train import TrainSettings, _fit_to_device, parse_options, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.calibration import fit_temperature
from egoact.core.metrics.scores import load_scores
from egoact.core.sampling import ClipSampling
from egoact.runs.features import score_rows
from egoact.runs.loading import load_run
from egoact.runs.recognizer import Recognizer
from egoact.store.reader import FeatureStore
from egoact.training.data import balanced_odds
from egoact.training.history import curves
from egoact.training.loops.loop import Loop
from egoact.training.machine import Machine
from egoact.training.recipes import choose_recipe
from tests.makers.checks import assert_same_run
from tests.makers.data.features import other_spec, write_csv, write_store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    csv = write_csv(tmp_path / "train.csv")
    write_store(tmp_path / "features", csv)
    return tmp_path


def settings_for(data: Path, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "segments": (data / "train.csv",),
        "features": data / "features",
        "run": data / "run",
        "validation_videos": ("B_1",),
        "epochs": 12,
        "device": "cpu",
    }
    return TrainSettings(**(values | changes))  # type: ignore[arg-type]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_a_run_directory_holds_all_that_is_needed(tmp_path: Path) -> None:
    data = tmp_path
    write_store(data / "features", write_csv(data / "train.csv", num_each=48))
    assert train(settings_for(data, learning_rate=0.03, epochs=60)) == 0
    names = {path.name for path in (data / "run").iterdir()}
    assert {"model.safetensors", "config.json", "settings.json", "metrics.json", "history.csv", "tensorboard"} <= names
    metrics = json.loads((data / "run" / "metrics.json").read_text())
    assert metrics["num_segments"] == 48
    assert metrics["verb"]["top1"] > 90  # easy on purpose; the default head sees order
    assert metrics["baselines"]["majority"]["verb"]["top1"] == pytest.approx(100 / 3)
    lines = (data / "run" / "history.csv").read_text().splitlines()
    assert len(lines) == 61
    assert lines[0].startswith("epoch,train_loss,validation_loss,validation_verb_top1")


def test_average_cannot_tell_what_only_order_tells(data: Path) -> None:
    train(settings_for(data, head="average", epochs=60, learning_rate=0.03))
    metrics = json.loads((data / "run" / "metrics.json").read_text())
    assert metrics["verb"]["top1"] < 85  # "cut" is told apart, "open" and "close" are the same frames


def test_same_seed_same_metrics(data: Path) -> None:
    for name in ("one", "two"):
        train(settings_for(data, run=data / name, head="lstm"))
    assert (data / "one" / "metrics.json").read_bytes() == (data / "two" / "metrics.json").read_bytes()
    assert (data / "one" / "model.safetensors").read_bytes() == (data / "two" / "model.safetensors").read_bytes()
    train(settings_for(data, run=data / "three", head="lstm", seed=1))
    assert (data / "one" / "model.safetensors").read_bytes() != (data / "three" / "model.safetensors").read_bytes()


BROKEN = {
    "default": {"recipe": "default", "ema": 0.9, "mixup": 0.2},
    "report": {"recipe": "report"},
    "long tail": {"class_balanced_sampling": True, "retrain_epochs": 3, "epochs": 6},
    "early stopping": {"recipe": "report", "patience": 2, "epochs": 60},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_stopped_training_goes_on_exactly(data: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    changes = {"head": "lstm", **BROKEN[case]}
    train(settings_for(data, run=data / "whole", **changes))
    original = Loop._run_epoch

    def stop(self: Loop, writers: Sequence[object]) -> None:
        if self._epoch == 2:
            raise KeyboardInterrupt
        original(self, writers)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_run_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            train(settings_for(data, run=data / "broken", **changes))
    assert not (data / "broken" / "config.json").exists()
    train(settings_for(data, run=data / "broken", **changes))
    assert_same_run(data / "whole", data / "broken")


@pytest.mark.parametrize("overwrite", [False, True])
def test_one_training_of_a_run_at_a_time(data: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool) -> None:
    def another(self: Recognizer, run: Path) -> None:
        with pytest.raises(ArtifactError, match="another egoact training is writing here"):
            train(settings_for(data, overwrite=overwrite))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recognizer, "save", another)
        with pytest.raises(KeyboardInterrupt):
            train(settings_for(data))
    assert train(settings_for(data)) == 0  # the lock went with it, and the other one took nothing away
    assert (data / "run" / "config.json").exists()


def test_early_stopping_stops_and_stays_stopped(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"epochs": 200, "patience": 3}
    train(settings_for(data, **changes))
    assert len((data / "run" / "history.csv").read_text().splitlines()) < 100
    with monkeypatch.context() as patch:  # killed after the last epoch, before the model was written
        patch.setattr(Recognizer, "save", lambda self, run: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(settings_for(data, run=data / "late", **changes))
    train(settings_for(data, run=data / "late", **changes))
    assert_same_run(data / "run", data / "late")


def test_best_and_last_are_runs_of_their_own(data: Path) -> None:
    train(settings_for(data, learning_rate=0.03))
    history = (data / "run" / "history.csv").read_text().splitlines()
    column = history[0].split(",").index("validation_top1")
    scores = [float(line.split(",")[column]) for line in history[1:]]
    assert max(scores) > scores[-1] or scores.index(max(scores)) < len(scores) - 1, "proves nothing"
    for name, expected in (("best", max(scores)), ("last", scores[-1])):
        out = data / f"results-{name}"
        held = data / "held.csv"
        write_csv(held, videos=("B_1",))
        evaluate(EvaluateSettings(segments=(held,), run=data / "run" / name, features=data / "features", out=out))
        metrics = json.loads((out / "metrics.json").read_text())
        right = load_scores(out / "scores.npz")
        assert right.verb is not None and right.noun is not None
        labels = json.loads((out / "evaluation.json").read_text())["labels"]
        both = (right.verb.argmax(1) == labels["verb"]) & (right.noun.argmax(1) == labels["noun"])
        assert 100 * both.mean() == pytest.approx(expected, abs=1e-3)
        assert metrics["num_segments"] == 12
    model = (data / "run" / "model.safetensors").read_bytes()
    assert model == (data / "run" / "best" / "model.safetensors").read_bytes()
    train(settings_for(data, run=data / "other", learning_rate=0.03, select="last"))
    assert (data / "other" / "model.safetensors").read_bytes() == (
        data / "run" / "last" / "model.safetensors"
    ).read_bytes()


def test_a_run_knows_how_to_look_at_streams(data: Path) -> None:
    """At windows around the length of its segments; as sure as it is right, if there was something to see that by."""
    train(settings_for(data, learning_rate=0.03))
    configs = {name: Recognizer.load(data / "run" / name).config for name in ("", "best", "last")}
    assert {config.window_seconds for config in configs.values()} == {(0.45, 0.9, 1.8)}
    assert configs[""] == configs["best"] and set(configs["best"].temperature) == {"verb", "noun"}
    store, run = FeatureStore.open(data / "features"), Recognizer.load(data / "run")
    held = read_segments(write_csv(data / "held.csv", videos=("B_1",)))
    logits = score_rows(run, store, store.locate(held, run.config.sampling))
    for target, values in logits.items():
        ids = run.config.vocabularies[target].encode(held)
        assert run.config.temperature[target] == fit_temperature(values, ids)
    train(settings_for(data, run=data / "other", validation_videos=(), epochs=1))
    assert Recognizer.load(data / "other").config.temperature == {}


def test_a_run_remembers_which_classes_are_rare(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "train.csv", num_each=36)
    write_store(tmp_path / "features", csv)
    lines = csv.read_text().splitlines()
    rare = [line for line in lines[1:] if line.startswith("A_1") and line.split(",")[4] == "cut"][2:]
    csv.write_text("\n".join(line for line in lines if line not in rare) + "\n")
    train(settings_for(tmp_path, epochs=2))
    assert dict(Recognizer.load(tmp_path / "run").config.training_counts) == {"verb": (12, 2, 12), "noun": (13, 13)}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["tail"]["verb"]["num_segments"] == 12  # "cut" in B_1
    assert metrics["head"]["verb"]["num_segments"] == 24
    assert set(metrics["tail"]) == {"verb"}, "no noun is rare, so there is no rare action either"
    out = tmp_path / "results"
    held = write_csv(tmp_path / "held.csv", videos=("B_1",), num_each=36)
    evaluate(EvaluateSettings(segments=(held,), run=tmp_path / "run", features=tmp_path / "features", out=out))
    again = json.loads((out / "metrics.json").read_text())
    assert (again["tail"], again["head"]) == (metrics["tail"], metrics["head"])


def test_retraining_freezes_the_head(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(settings_for(data, head="convnet1d", epochs=3, select="last"))
    train(settings_for(data, run=data / "crt", head="convnet1d", epochs=3, select="last", retrain_epochs=4))
    assert "training from zero" not in capsys.readouterr().out
    first, second = (Recognizer.load(data / name).model.state_dict() for name in ("run", "crt"))
    for name, values in first.items():
        assert torch.equal(values, second[name]) == name.startswith("head."), name  # batch statistics as well
    assert len((data / "crt" / "history.csv").read_text().splitlines()) == 4
    assert len((data / "crt" / "history_classifiers.csv").read_text().splitlines()) == 5
    average = settings_for(data, run=data / "average", head="convnet1d", epochs=3, retrain_epochs=4, ema=0.5)
    train(average)  # the moving average itself is never trained, but what starts from it is
    moved = Recognizer.load(data / "average").model.state_dict()["classifiers.verb.weight"]
    assert not torch.equal(moved, second["classifiers.verb.weight"])
    train(settings_for(data, run=data / "linear", epochs=1, retrain_epochs=1))
    assert "head difference has no parameters" in capsys.readouterr().out


def test_bfloat16_keeps_weights_in_float32(data: Path) -> None:
    train(settings_for(data, head="lstm"))
    train(settings_for(data, run=data / "half", head="lstm", precision="bf16"))
    whole, half = (Recognizer.load(data / name).model.state_dict() for name in ("run", "half"))
    assert all(values.dtype != torch.bfloat16 for values in half.values())
    name = "head.lstm.weight_ih_l0"
    assert not torch.equal(whole[name], half[name])
    assert torch.nn.functional.cosine_similarity(whole[name].flatten(), half[name].flatten(), dim=0) > 0.99


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "tpu"}, "--device must be auto, cpu or cuda, got 'tpu'"),
        ({"devices": 0}, "--devices must be at least 1"),
        ({"nodes": -1}, "--nodes must be at least 1"),
    ],
)
def test_impossible_machines(data: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings_for(data, **change)


def test_a_device_that_is_not_there(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="no CUDA device found"):
        settings_for(data, device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="this machine has 2 CUDA devices"):
        settings_for(data, device="auto", devices=3)


def test_balanced_odds_are_equal_for_every_class() -> None:
    labels = {"verb": np.array([0, 0, 0, 2, 2, 0]), "noun": np.array([1, 1, 0, 1, 1, 1])}
    odds = balanced_odds(labels)  # type: ignore[arg-type]
    assert odds.sum() == pytest.approx(1)
    only_verbs = balanced_odds({"verb": labels["verb"]})
    assert only_verbs[labels["verb"] == 0].sum() == pytest.approx(0.5)
    assert only_verbs[labels["verb"] == 2].sum() == pytest.approx(0.5)
    np.testing.assert_allclose(odds, (only_verbs + balanced_odds({"noun": labels["noun"]})) / 2)


def test_a_finished_run_is_left_alone_and_another_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(settings_for(data))
    before = (data / "run" / "model.safetensors").stat().st_mtime_ns
    train(settings_for(data))
    assert "already trained" in capsys.readouterr().out
    assert (data / "run" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ArtifactError, match="epochs was 12, now 13"):
        train(settings_for(data, epochs=13))
    train(settings_for(data, epochs=13, overwrite=True))
    assert len((data / "run" / "history.csv").read_text().splitlines()) == 14


def test_a_foreign_folder_is_not_written_into(data: Path) -> None:
    (data / "run").mkdir()
    (data / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="holds something that is no run"):
        train(settings_for(data))
    assert [path.name for path in (data / "run").iterdir()] == ["thesis.txt"]


def test_what_a_training_that_was_killed_early_left_is_no_hindrance(data: Path) -> None:
    (data / "run").mkdir()
    for name in ("settings.json.part", "cross_validation.json.part"):
        (data / "run" / name).write_text("{")
    train(settings_for(data))
    assert (data / "run" / "config.json").exists()


def test_verbs_only(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "train.csv", nouns=False)
    write_store(tmp_path / "features", csv)
    train(settings_for(tmp_path))
    assert set(Recognizer.load(tmp_path / "run").config.vocabularies) == {"verb"}
    with pytest.raises(ValueError, match="no noun labels"):
        train(settings_for(tmp_path, run=tmp_path / "other", targets=("noun",)))


def test_features_that_are_not_finite_name_their_segment(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "train.csv")
    write_store(tmp_path / "features", csv, poison="A_1_4")
    with pytest.raises(ArtifactError, match="segment A_1_4 are not finite"):
        train(settings_for(tmp_path))


def test_a_diverging_loss_says_which_batch(data: Path) -> None:
    with pytest.raises(ArtifactError, match=r"loss became (nan|inf) in epoch \d+, batch \d+ \(segments A_1_"):
        train(settings_for(data, head="lstm", learning_rate=1e30, gradient_clip=0.0))


def test_a_label_outside_the_vocabulary(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "verb_classes.csv").write_text("id,key\n0,open\n1,close\n")
    (data / "noun_classes.csv").write_text("id,key\n0,fridge\n1,door\n")
    code = run(
        *("train", "--segments", data / "train.csv", "--features", data / "features"),
        *("--run", data / "run", "--classes", data),
    )
    message = capsys.readouterr().err
    assert code == 2
    assert "train.csv, row 4, column verb: 'cut'" in message
    assert message.count("\n") == 1


def test_features_that_are_missing(data: Path) -> None:
    write_csv(data / "more.csv", videos=("A_1", "C_1"))
    with pytest.raises(ArtifactError, match="12 of 24 segments have no features"):
        train(settings_for(data, segments=(data / "more.csv",), validation_videos=()))


def test_evaluate_writes_what_the_report_needs(data: Path) -> None:
    train(settings_for(data))
    out = data / "results"
    settings = EvaluateSettings(segments=(data / "train.csv",), run=data / "run", features=data / "features", out=out)
    assert evaluate(settings) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    scores = load_scores(out / "scores.npz")
    assert metrics["num_segments"] == len(scores) == 24
    assert scores.verb is not None and scores.verb.shape == (24, 3)
    described = json.loads((out / "evaluation.json").read_text())
    right = scores.verb.argmax(1) == np.array(described["labels"]["verb"])
    assert metrics["verb"]["top1"] == pytest.approx(100 * right.mean())
    # Anybody's scores give the same numbers; nobody knows what they were trained on.
    assert metrics.pop("seen")["trained_on"] == 12
    del metrics["notes"]
    again = EvaluateSettings(segments=(data / "train.csv",), scores=out / "scores.npz", out=data / "again")
    evaluate(again)
    assert json.loads((data / "again" / "metrics.json").read_text()) == metrics


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "efficientnet_lite0"}, "backbone efficientnet_lite0, the run needs tiny-random"),
        ({"weights_hash": "1" * 64}, "weights_hash"),
        ({"mean": (0.4, 0.5, 0.5)}, "mean"),
    ],
)
def test_features_of_another_kind_than_the_runs(data: Path, change: dict[str, object], words: str) -> None:
    train(settings_for(data))
    write_store(data / "others", data / "train.csv", spec=other_spec(**change))
    with pytest.raises(ArtifactError, match=words):
        evaluate(
            EvaluateSettings(
                segments=(data / "train.csv",), run=data / "run", features=data / "others", out=data / "out"
            )
        )


def test_clips_of_another_number_of_frames_are_other_moments(data: Path) -> None:
    train(settings_for(data))
    write_store(data / "others", data / "train.csv", sampling=ClipSampling(18))
    settings = EvaluateSettings(segments=(data / "train.csv",), run=data / "run", features=(data / "others",), out=data)
    with pytest.raises(ArtifactError, match="24 of 24 segments have no features here"):
        evaluate(settings)
    train(settings_for(data, features=(data / "others",), run=data / "shorter", num_frames=18))
    assert Recognizer.load(data / "shorter").config.num_frames == 18


def test_several_labels_files_train_the_run_of_one_that_has_all(data: Path) -> None:
    header, *rows = (data / "train.csv").read_text().splitlines()
    for name, some in (("old", rows[:10]), ("new", rows[8:])):  # two rows are in both
        (data / f"{name}.csv").write_text("\n".join([header, *some]) + "\n")
    parts = (data / "old.csv", data / "new.csv")
    train(settings_for(data, run=data / "one"))
    train(settings_for(data, run=data / "several", segments=parts))
    assert_same_run(data / "one", data / "several")
    several = EvaluateSettings(segments=parts, run=data / "several", features=(data / "features",), out=data / "out")
    evaluate(several)
    evaluate(EvaluateSettings(**{**vars(several), "segments": (data / "train.csv",), "out": data / "out-one"}))
    scores = [load_scores(data / out / "scores.npz") for out in ("out", "out-one")]
    np.testing.assert_array_equal(scores[0].verb, scores[1].verb)


def test_views_are_seen_in_training_and_averaged_in_evaluation(data: Path) -> None:
    write_store(data / "views", data / "train.csv", sampling=ClipSampling(20, 3))
    train(settings_for(data, features=(data / "views",), run=data / "seen", views=3))
    run = load_run(data / "seen")
    assert run.config.sampling == ClipSampling(20, 3)
    table, store = read_segments(data / "train.csv"), FeatureStore.open(data / "views")
    rows = store.locate(table, run.config.sampling)
    each = [run.recognizer.score(store.gather(rows, views=view))["verb"] for view in range(3)]
    scores = run.score(table, (data / "views",)).verb
    np.testing.assert_allclose(scores, np.mean(each, axis=0), rtol=1e-4, atol=1e-5)
    assert not np.allclose(each[0], each[1])


def test_a_run_without_its_weights(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(settings_for(data))
    (data / "run" / "model.safetensors").unlink()
    code = run(
        *("evaluate", "--segments", data / "train.csv", "--run", data / "run"),
        *("--features", data / "features", "--out", data / "out"),
    )
    assert code == 2
    assert "no weights (model.safetensors)" in capsys.readouterr().err
    shutil.rmtree(data / "run")
    with pytest.raises(ArtifactError, match="not a run directory"):
        Recognizer.load(data / "run")


def test_head_options() -> None:
    assert parse_options(("width=256", "scales=[2,3]", "mode=fast")) == {"width": 256, "scales": (2, 3), "mode": "fast"}
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_options(("width",))


def test_every_recipe_field_has_a_flag() -> None:
    from dataclasses import fields

    from egoact.training.recipes import Recipe

    flags = {field.name for field in fields(TrainSettings)}
    assert {field.name for field in fields(Recipe)} <= flags
    assert train_module.TrainSettings is TrainSettings


def one_noun(path: Path) -> Path:
    """The labels of `write_csv`, with the same noun in every row."""
    write_csv(path)
    path.write_text(path.read_text().replace("fridge", "door"))
    return path


def test_a_target_with_one_class_is_left_out_with_a_word(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one_noun(data / "train.csv")
    assert train(settings_for(data, epochs=1)) == 0
    assert "every noun of" in capsys.readouterr().err
    assert set(Recognizer.load(data / "run").config.vocabularies) == {"verb"}
    with pytest.raises(ValueError, match="every noun of .* is 'door': there is nothing to tell apart"):
        train(settings_for(data, epochs=1, targets=("verb", "noun"), run=data / "other"))
    assert not (data / "other").exists()


def test_a_training_that_never_began_stands_in_nobodys_way(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("before the first epoch")

    with monkeypatch.context() as patch:
        patch.setattr("egoact.training.train.finite_features", fail)
        with pytest.raises(RuntimeError, match="before the first epoch"):
            train(settings_for(data, epochs=1))
    assert train(settings_for(data, epochs=2)) == 0
    with pytest.raises(ArtifactError, match="holds a run of other settings"):
        train(settings_for(data, epochs=3))


def test_patience_without_validation_is_refused(data: Path) -> None:
    with pytest.raises(ValueError, match="--patience waits for a better validation score"):
        settings_for(data, patience=3, validation_videos=())


def test_a_disk_that_vanishes_under_the_curves_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(122, "Disk quota exceeded")

    with curves([tmp_path]):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("num_clips", "batch_size", "rate"), [(526, 32, 1e-3), (2_100, 128, 2e-3), (67_217, 512, 4e-3)]
)
def test_a_gpu_gets_larger_batches_where_there_are_clips_enough(
    num_clips: int, batch_size: int, rate: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SimpleNamespace(specs=[SimpleNamespace(backbone=SimpleNamespace(feature_shape=(1280,)))])
    data: Any = SimpleNamespace(store=store, training=SimpleNamespace(table=range(num_clips)))
    settings = TrainSettings(segments=(), features=(), run=Path("run"))
    recipe = choose_recipe("default")
    assert _fit_to_device(settings, recipe, data) == recipe, "a CPU is left alone"
    monkeypatch.setattr(Machine, "torch_device", lambda self: torch.device("cuda"))
    found = _fit_to_device(settings, recipe, data)
    assert (found.batch_size, found.learning_rate) == (batch_size, pytest.approx(rate))
    assert ("batches of" in capsys.readouterr().out) == (batch_size != 32)
    for chosen in ({"batch_size": 64}, {"learning_rate": 1e-2}):
        given = replace(settings, **chosen)  # type: ignore[arg-type]
        assert _fit_to_device(given, given.chosen_recipe(), data) == given.chosen_recipe()

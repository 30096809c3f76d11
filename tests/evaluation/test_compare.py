"""`egoact compare`: numbers against a plain recount, the page, and what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.metrics.comparison import compare_models
from egoact.core.metrics.evaluation_files import read_run
from egoact.core.metrics.protocol import Ranked
from egoact.core.metrics.scores import load_scores
from tests.makers.checks import check_self_contained
from tests.makers.data.features import other_spec, write_csv, write_store

VIDEOS = ("A_1", "B_1", "C_1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained runs, the second of verbs only, and their evaluations."""
    folder = tmp_path_factory.mktemp("compare")
    csv = write_csv(folder / "all.csv", videos=VIDEOS)
    write_store(folder / "features", csv)
    for head, targets in (("average", ()), ("difference", ("verb",))):
        values = {"segments": (csv,), "features": (folder / "features",), "run": folder / head, "device": "cpu"}
        train(TrainSettings(**values, head=head, epochs=3, learning_rate=0.03, targets=targets))  # type: ignore[arg-type]
        out = folder / f"evaluated-{head}"
        evaluate(EvaluateSettings(segments=(csv,), run=folder / head, features=(folder / "features",), out=out))
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_evaluations_and_runs_give_the_same_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated = [data / "evaluated-average", data / "evaluated-difference"]
    code, printed, _ = call(capsys, *evaluated, "--out", data / "one", "--rounds", 2)
    assert code == 0
    runs = [data / "average", data / "difference", "--segments", data / "all.csv", "--features", data / "features"]
    assert call(capsys, *runs, "--out", data / "two", "--rounds", 2)[0] == 0
    one, two = (json.loads((data / name / "comparison.json").read_text()) for name in ("one", "two"))
    for first, second in zip(one["models"], two["models"], strict=True):
        for key in ("verb", "noun", "action", "num_trainable_parameters", "training_seconds", "head"):
            if key in ("verb", "noun", "action") and key in first:
                assert first[key].keys() == second[key].keys()
                assert (
                    first[key]["top1"] == second[key]["top1"] and first[key]["mean_class"] == second[key]["mean_class"]
                )
            else:
                assert first.get(key) == second.get(key)
    assert (one["num_segments"], one["num_videos"], one["reference"]) == (36, 3, "evaluated-average")
    average, difference = one["models"]
    metrics = json.loads((data / "evaluated-average" / "metrics.json").read_text())
    for target in ("verb", "noun", "action"):
        for measure in ("top1", "top5", "mean_class"):
            found = average[target][measure]
            assert found["value"] == metrics[target][measure]
            assert 0 <= found["low"] <= found["high"] <= 100
    assert average["num_trainable_parameters"] == 16 * 5 + 5
    assert average["training_seconds"] > 0 and average["inference_milliseconds"] > 0
    assert "noun" not in difference and "against" not in average["verb"]
    assert f"{difference['verb']['top1']['value']:.1f} [" in printed and "85" in printed
    check_page(data / "one", average, difference)


def test_runs_on_one_store_and_on_two(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv, first = data / "all.csv", data / "features"
    second = write_store(tmp_path / "other", csv, spec=other_spec(weights_hash="1" * 64), seed=1)
    for name, stores in (("second", (second,)), ("both", (first, second))):
        values = {"segments": (csv,), "features": stores, "run": tmp_path / name, "device": "cpu"}
        train(TrainSettings(**values, head="average", epochs=2))  # type: ignore[arg-type]
    runs = [data / "average", tmp_path / "second", tmp_path / "both"]
    flags = ("--segments", csv, "--rounds", 2, "--out", tmp_path / "out", "--features")
    assert call(capsys, *runs, *flags, second, first)[0] == 0, "each takes its own"
    models = json.loads((tmp_path / "out" / "comparison.json").read_text())["models"]
    assert [model["num_trainable_parameters"] for model in models] == [16 * 5 + 5, 16 * 5 + 5, 32 * 5 + 5]
    for store, reason in ((first, "its features have weights_hash"), (tmp_path, "manifest.json")):
        code, _, err = call(capsys, tmp_path / "second", data / "average", *flags, store)
        assert code == 2 and reason in err and err.count("\n") == 1


def check_page(out: Path, average: dict, difference: dict) -> None:
    page = (out / "comparison.html").read_text(encoding="utf-8")
    check_self_contained(page)
    for target in ("verb", "noun", "action"):
        assert f">{average[target]['top1']['value']:.1f}<span" in page
    against = difference["verb"]["against"]
    assert f">{against['difference']:+.1f}<span" in page
    assert f">{against['num_only_this']} : {against['num_only_reference']}<" in page
    assert "With 3 videos they are rough" in page
    table = pd.read_csv(out / "comparison.csv")
    assert list(table["name"]) == ["evaluated-average", "evaluated-difference"]
    assert table["verb_difference"][1] == pytest.approx(against["difference"])
    assert table["verb_p_holm"][1] == pytest.approx(against["p_holm"])
    assert np.isnan(table["noun_top1"][1]) and table["noun_top1"][0] == average["noun"]["top1"]["value"]


def test_differences_are_paired(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [data / "evaluated-average", data / "evaluated-difference"]
    assert call(capsys, *folders, "--out", data / "best", "--against", "best", "--rounds", 1)[0] == 0
    document = json.loads((data / "best" / "comparison.json").read_text())
    labels = json.loads((folders[0] / "evaluation.json").read_text())["labels"]["verb"]
    rights = [load_scores(folder / "scores.npz").verb.argmax(1) == labels for folder in folders]  # type: ignore[union-attr]
    best = int(rights[1].sum() > rights[0].sum())
    assert document["reference"] == folders[best].name
    against = document["models"][1 - best]["verb"]["against"]
    only = [int((rights[i] & ~rights[1 - i]).sum()) for i in (1 - best, best)]
    assert [against["num_only_this"], against["num_only_reference"]] == only
    assert against["p"] == pytest.approx(stats.binomtest(only[0], sum(only), 0.5).pvalue)
    assert against["low"] <= against["difference"] <= against["high"] <= 0


def test_holm_counts_the_models_of_a_target() -> None:
    random = np.random.default_rng(0)
    labels = np.zeros(80, dtype=np.int64)
    better = {
        name: (random.random(80) < share).astype(np.int64)
        for name, share in zip("abcd", (0.2, 0.5, 0.4, 0.3), strict=True)
    }
    models = {name: {"verb": Ranked(values, labels)} for name, values in better.items()}
    table = compare_models(models, [str(i % 8) for i in range(80)], reference="a")
    against = {name: table[name]["verb"]["against"] for name in "bcd"}
    smallest = min(against.values(), key=lambda part: part["p"])
    assert smallest["p_holm"] == pytest.approx(3 * smallest["p"])
    assert table == compare_models(models, [str(i % 8) for i in range(80)], reference="a")
    one_video = compare_models(models, ["x"] * 80, reference="a")["b"]["verb"]
    assert "low" not in one_video["top1"] and "low" not in one_video["against"] and one_video["against"]["p"] < 0.05


def test_a_model_is_equal_to_itself() -> None:
    ranked = Ranked(np.array([0, 1, 0, 3]), np.array([0, 0, 1, 1]))
    against = compare_models({"a": {"verb": ranked}, "b": {"verb": ranked}}, list("xxyy"), reference="a")["b"]["verb"]
    assert against["against"] == {
        **{"difference": 0.0, "num_only_this": 0, "num_only_reference": 0, "p": 1.0, "p_holm": 1.0},
        **{"low": 0.0, "high": 0.0},
    }


def change_evaluation(source: Path, folder: Path, **changes: object) -> Path:
    """A copy of an evaluation with other values in evaluation.json."""
    folder.mkdir()
    for path in source.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    described = json.loads((source / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps(described | changes))
    return folder


def test_order_and_class_ids_may_differ(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = data / "evaluated-difference"
    described = json.loads((source / "evaluation.json").read_text())
    rows, ids = np.random.default_rng(0).permutation(36), np.array([2, 0, 1])  # old id -> new id
    folder = change_evaluation(
        source,
        tmp_path / "other",
        labels={"verb": ids[np.array(described["labels"]["verb"])[rows]].tolist()},
        names={"verb": [described["names"]["verb"][i] for i in np.argsort(ids)]},
        video_ids=[described["video_ids"][i] for i in rows],
    )
    scores = load_scores(source / "scores.npz")
    assert scores.verb is not None
    type(scores)(
        tuple(scores.narration_ids[i] for i in rows), verb=np.ascontiguousarray(scores.verb[rows][:, np.argsort(ids)])
    ).save(folder / "scores.npz")
    assert call(capsys, source, folder, "--out", tmp_path / "out", "--rounds", 1)[0] == 0
    first, second = json.loads((tmp_path / "out" / "comparison.json").read_text())["models"]
    assert first["verb"] == {key: value for key, value in second["verb"].items() if key != "against"}
    assert second["verb"]["against"]["p"] == 1.0


def test_a_run_that_was_not_handed_on(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lonely = change_evaluation(data / "evaluated-average", tmp_path / "lonely", run="/nowhere/run")
    assert call(capsys, data / "evaluated-average", lonely, "--out", tmp_path / "out", "--rounds", 1)[0] == 0
    models = json.loads((tmp_path / "out" / "comparison.json").read_text())["models"]
    assert models[1]["num_trainable_parameters"] is models[1]["inference_milliseconds"] is None
    assert models[1]["verb"]["top1"] == models[0]["verb"]["top1"]
    assert "its run directory was not found" in (tmp_path / "out" / "comparison.html").read_text()


def test_training_time_counts_retrained_classifiers(tmp_path: Path) -> None:
    assert read_run(tmp_path).training_seconds is None
    (tmp_path / "history.csv").write_text("epoch,train_loss,seconds\n0,2.0,1.5\n1,1.0,2.5\n")
    assert read_run(tmp_path).training_seconds == 4.0
    (tmp_path / "history_classifiers.csv").write_text("epoch,train_loss,seconds\n0,1.0,0.25\n")
    assert read_run(tmp_path).training_seconds == 4.25


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{data}/average"], "is a run: give --segments and --features"),
        (["{data}/features"], "neither a folder that egoact evaluate wrote nor a run"),
        (["{data}/evaluated-average", "{data}/evaluated-average"], "the same folder twice"),
        (["{data}/evaluated-average", "--draws", "0"], "--draws must be at least 1"),
        (["{data}/evaluated-average", "--segments", "x.csv"], "--segments and --features belong together"),
        ([], "give the runs or evaluation folders"),
    ],
)
def test_wrong_usage(
    data: Path, tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *(word.format(data=data) for word in arguments), "--out", tmp_path / "out")
    assert code == 2 and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_segments_or_labels(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fewer = write_csv(tmp_path / "fewer.csv", videos=VIDEOS[:2])
    evaluate(
        EvaluateSettings(segments=(fewer,), run=data / "average", features=(data / "features",), out=tmp_path / "fewer")
    )
    capsys.readouterr()
    code, _, err = call(capsys, data / "evaluated-average", tmp_path / "fewer", "--out", tmp_path / "out")
    assert code == 2 and "answers 24 segments" in err and "36, and C_1_0 is only in one" in err and err.count("\n") == 1
    described = json.loads((data / "evaluated-average" / "evaluation.json").read_text())
    labels = described["labels"] | {"noun": [1 - described["labels"]["noun"][0], *described["labels"]["noun"][1:]]}
    changed = change_evaluation(data / "evaluated-average", tmp_path / "changed", labels=labels)
    code, _, err = call(capsys, data / "evaluated-average", changed, "--out", tmp_path / "out")
    assert code == 2 and "A_1_0 is labelled noun 'door' here and 'fridge' in" in err and err.count("\n") == 1
    old = change_evaluation(data / "evaluated-average", tmp_path / "old", video_ids=[])
    code, _, err = call(capsys, old, "--out", tmp_path / "out")
    assert code == 2 and "run egoact evaluate again" in err

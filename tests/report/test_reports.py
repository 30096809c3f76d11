import json
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.errors import ArtifactError
from egoact.core.metrics.accuracy import confusion_matrix
from egoact.core.metrics.evaluation_files import read_evaluation
from egoact.core.metrics.protocol import evaluate_scores
from egoact.core.metrics.scores import Scores
from egoact.report.demo.order import choose_of_two, compare_backwards
from egoact.report.evaluation.confusions import choose_shown, list_classes, list_confusions
from egoact.report.evaluation.page import interval, write_evaluation_report, write_report
from tests.makers.checks import check_self_contained

NAMES = {"verb": ["take", "put", "<b>open</b>", "close", "wave"], "noun": ["cup & saucer", "切る", "pan"]}


def write_evaluation(out: Path, names: dict[str, list[str]], *, num_segments: int = 40, **parts: Any) -> dict[str, Any]:
    """What `egoact evaluate` leaves, with random answers that are often right; the last class never occurs."""
    random = np.random.default_rng(0)
    labels = {target: random.integers(0, max(1, len(n) - 1), num_segments) for target, n in names.items()}
    scores = {
        target: (random.normal(size=(num_segments, len(n))) + 2 * np.eye(len(n))[labels[target]]).astype(np.float32)
        for target, n in names.items()
    }
    metrics = evaluate_scores(scores, labels) | parts
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(metrics))
    described = {"model": "runs/<mine>", "segments": "test.csv", "names": names}
    described |= {"labels": {target: values.tolist() for target, values in labels.items()}}
    (out / "evaluation.json").write_text(json.dumps(described))
    Scores.from_rows([f"s{i}" for i in range(num_segments)], **scores).save(out / "scores.npz")
    return metrics


def write_run(run: Path, *, columns: str = "epoch,train_loss,validation_loss,validation_verb_top1,seconds") -> Path:
    run.mkdir()
    rows = "".join(f"{i}" + f",{10 / (i + 1)}" * columns.count(",") + "\n" for i in range(3))
    (run / "history.csv").write_text(f"{columns}\n{rows}")
    settings = {"settings": {"head": "lstm", "device": None}, "recipe": {"epochs": 3, "mixup": False}}
    (run / "settings.json").write_text(json.dumps(settings | {"num_trainable_parameters": 266963}))
    return run


def test_verbs_and_nouns_with_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unseen = {"num_segments": 12, **{target: {"top1": 61.25} for target in ("verb", "noun", "action")}}
    tail = {"verb": {"num_segments": 7, "top1": 14.29}}
    notes = ["<i>nothing</i> is missing"]
    metrics = write_evaluation(tmp_path / "out", NAMES, unseen=unseen, tail=tail, notes=notes)
    write_report(SimpleNamespace(out=tmp_path / "out", timeline=None, run=write_run(tmp_path / "run")))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path / "out" / "report.html") in capsys.readouterr().out
    check_self_contained(page)
    for target in ("verb", "noun", "action"):
        for measure in ("top1", "top3", "top5", "mean_class"):
            assert f">{metrics[target][measure]:.1f}<" in page
            assert f">{metrics['baselines']['majority'][target][measure]:.1f}<" in page
        assert f">{metrics['baselines']['prior'][target]['top1']:.1f}<" in page
    assert "<b>open</b>" not in page and "&lt;b&gt;open&lt;/b&gt;" in page
    assert "runs/&lt;mine&gt;" in page and "&lt;i&gt;nothing&lt;/i&gt;" in page
    assert "61.2" in page and "14.3" in page
    assert "266,963" in page and "<td>device<" not in page
    assert len(re.findall(r"<img ", page)) == 3
    for name in ("confusion_verb", "confusion_noun", "learning_curves"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_verbs_alone_without_a_run(tmp_path: Path) -> None:
    write_evaluation(tmp_path, {"verb": NAMES["verb"]})
    page = write_evaluation_report(tmp_path).read_text(encoding="utf-8")
    check_self_contained(page)
    assert "Noun" not in page and "Action" not in page and "Learning curves" not in page
    assert not (tmp_path / "confusion_noun.png").exists()


def test_many_classes_are_named_in_part_and_counted_in_full(tmp_path: Path) -> None:
    names = {"noun": [f"noun number {i}" for i in range(300)]}
    write_evaluation(tmp_path, names, num_segments=900)
    page = unescape(write_evaluation_report(tmp_path).read_text(encoding="utf-8"))
    assert re.search(r"the 40 most frequent of \d+ are named", page)
    counts = np.loadtxt(tmp_path / "confusion_noun.csv", delimiter=",", skiprows=1, usecols=range(1, 301), dtype=int)
    assert counts.shape == (300, 300)
    assert counts.sum() == 900
    width = int.from_bytes((tmp_path / "confusion_noun.png").read_bytes()[16:20])
    assert 600 < width < 1600


def test_a_history_without_validation(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "out", {"verb": NAMES["verb"]})
    run = write_run(tmp_path / "run", columns="epoch,train_loss,seconds")
    assert "Learning curves" in write_evaluation_report(tmp_path / "out", run=run).read_text(encoding="utf-8")
    (run / "history.csv").unlink()
    (run / "settings.json").unlink()
    page = write_evaluation_report(tmp_path / "out", run=run).read_text(encoding="utf-8")
    assert "Learning curves" not in page and "How it was trained" not in page


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", None),
        ("metrics.json", b"{"),
        ("metrics.json", b"[1]"),
        ("metrics.json", b"\xff\xfe"),
        ("metrics.json", b'{"num_segments": 3}'),
        ("metrics.json", b'{"num_segments": 3, "verb": {"top1": "high"}}'),
        ("metrics.json", b'{"num_segments": 3, "verb": {"top1": NaN, "top3": 1, "top5": 1, "mean_class": 1}}'),
        ("evaluation.json", None),
        ("evaluation.json", b"{}"),
        ("evaluation.json", b'{"model": "m", "segments": "s", "names": {"verb": ["a"]}, "labels": {"verb": [0]}}'),
        ("scores.npz", None),
        ("scores.npz", b"PK"),
    ],
)
def test_damaged_files_are_named_in_one_line(tmp_path: Path, name: str, content: bytes | None) -> None:
    write_evaluation(tmp_path, NAMES)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        write_evaluation_report(tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "out", NAMES)
    run = write_run(tmp_path / "run")
    for content in ("", "epoch,train_loss\n", "epoch,train_loss\n0,high\n", "loss\n1\n"):
        (run / "history.csv").write_text(content)
        with pytest.raises(ArtifactError, match=r"history.csv: not a history"):
            write_evaluation_report(tmp_path / "out", run=run)


@pytest.mark.parametrize("label", [-1, 5])
def test_labels_outside_the_classes_are_refused(tmp_path: Path, label: int) -> None:
    write_evaluation(tmp_path, {"verb": NAMES["verb"]})
    described = json.loads((tmp_path / "evaluation.json").read_text())
    described["labels"]["verb"][3] = label
    (tmp_path / "evaluation.json").write_text(json.dumps(described))
    with pytest.raises(ArtifactError, match=r"evaluation.json: does not fit"):
        read_evaluation(tmp_path)


PAIRS_OF_CLASSES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60)


@given(PAIRS_OF_CLASSES, st.integers(1, 10))
def test_no_segment_is_lost_in_what_is_shown(pairs: list[tuple[int, int]], most: int) -> None:
    truth, answers = np.array(pairs).T
    counts = confusion_matrix(truth, answers, num_classes=9)
    names = [f"class {i}" for i in range(9)]
    shown = choose_shown(counts, names, most=most)
    assert shown.counts.sum() == len(pairs)
    assert len(shown.names) <= most + 1
    assert len(shown.names) - bool(shown.num_hidden) + shown.num_hidden == len({*truth.tolist(), *answers.tolist()})
    sums = np.nansum(shown.percent, axis=1)
    assert np.allclose(sums[shown.counts.sum(axis=1) > 0], 100)
    classes = list_classes(counts, names)
    assert sum(row.num_segments for row in classes) == len(pairs)
    assert sum(row.num_right for row in classes) == int((truth == answers).sum())
    assert [row.num_segments for row in classes] == sorted((row.num_segments for row in classes), reverse=True)
    mistakes = list_confusions(counts, names, most=100)
    assert sum(row.count for row in mistakes) == int((truth != answers).sum())


def test_what_a_class_is_taken_for() -> None:
    counts = np.array([[3, 1, 0], [2, 0, 4], [0, 0, 0]])
    take, put = sorted(list_classes(counts, ["take", "put", "cut"]), key=lambda row: row.num_segments)
    assert (take.name, take.num_right, take.num_answers, take.mistaken_for, take.num_mistaken) == (
        "take",
        3,
        5,
        "put",
        1,
    )
    assert (put.name, put.num_right, put.num_answers, put.mistaken_for, put.num_mistaken) == ("put", 0, 1, "cut", 4)
    worst = list_confusions(counts, ["take", "put", "cut"], most=2)
    assert [(row.truth, row.answer, row.count, row.num_segments) for row in worst] == [
        ("put", "cut", 4, 6),
        ("put", "take", 2, 6),
    ]


def test_interval_of_a_percentage() -> None:
    # Wilson's interval for 8 of 10, as in Newcombe, Statistics in Medicine 17, 1998, by its formula.
    low, high = interval(80, 10)
    assert (round(low, 2), round(high, 2)) == (49.02, 94.33)
    assert interval(0, 5)[0] == 0
    assert interval(100, 5)[1] == pytest.approx(100)


def test_only_one_of_two_verbs_is_asked_for() -> None:
    scores = np.array([[1.0, 0.5, 9.0], [0.2, 0.1, 0.0], [0.3, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    labels = np.array([0, 1, 1, 1, 2])
    assert choose_of_two(scores, labels, pair=(0, 1)) == (4, 2)
    assert choose_of_two(scores, labels, pair=(1, 0)) == (4, 2)


def test_answers_to_clips_played_backwards() -> None:
    labels = np.array([0, 0, 1, 1, 4])
    forwards = np.array([0, 0, 1, 4, 4])
    backwards = np.array([1, 0, 0, 4, 4])
    found = compare_backwards(forwards, backwards, labels, pairs=[(0, 1), (2, 3)])
    assert (found.num_segments, found.num_same, found.num_reversed) == (4, 2, 2)

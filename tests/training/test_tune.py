"""`egoact tune`: a real small search, going on after any kind of end, and what is refused."""

import contextlib
import csv
import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.learning.tune import TuneSettings, tune
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.models.heads import HEADS
from egoact.report.tuning import write_report
from egoact.training.loops.steps import NotFiniteError
from egoact.training.recipes import Recipe, choose_recipe
from egoact.training.tuning.space import RECIPE_SPACE, SPACE, ClipSpace, Range, default_width
from egoact.training.tuning.study import Study
from tests.makers.checks import check_self_contained
from tests.makers.data.features import write_csv, write_store
from tests.makers.machines.processes import begin

pytest.importorskip("optuna")
VIDEOS = ("A_1", "B_1", "C_1", "D_1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    write_store(folder / "features", write_csv(folder / "train.csv", videos=VIDEOS, num_each=6))
    return folder


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes would not know what is pretended in this one."""
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 1)


def settings_for(data: Path, out: Path, **changes: object) -> TuneSettings:
    values: dict[str, object] = {"trials": 12, "folds": 4, "heads": ("average", "lstm"), "device": "cpu"}
    values |= {"segments": (data / "train.csv",), "features": (data / "features",), "out": out}
    return TuneSettings(**(values | changes))  # type: ignore[arg-type]


class PretendedTraining:
    """Writes metrics at once: better the nearer the learning rate is to 0.003, worse with dropout, by fold."""

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.calls: list[TrainSettings] = []
        self.fail_after = fail_after

    def __call__(self, settings: TrainSettings) -> int:
        if len(self.calls) == self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(settings)
        recipe = settings.chosen_recipe()
        if recipe.learning_rate > 0.006:
            raise ArtifactError("diverged") from NotFiniteError("the loss became inf", [0])
        table = read_segments(settings.segments[0])
        place = VIDEOS.index(settings.validation_videos[0])
        value = 60 - 10 * place - 4000 * abs(recipe.learning_rate - 0.003) - 20 * recipe.dropout
        metrics = {"num_segments": sum(s.video_id in settings.validation_videos for s in table)}
        parts = {target: {"top1": value, "mean_class": value / 2} for target in ("verb", "noun", "action")}
        settings.run.mkdir(parents=True)
        (settings.run / "metrics.json").write_text(json.dumps(metrics | parts))
        return 0


def pretend(monkeypatch: pytest.MonkeyPatch, *, fail_after: int | None = None) -> PretendedTraining:
    training = PretendedTraining(fail_after=fail_after)
    monkeypatch.setattr("egoact.commands.learning.train.train", training)
    return training


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row.pop("seconds")
    return found


def test_a_real_search_trains_without_the_videos_it_is_judged_by(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "--segments", data / "train.csv", "--features", data / "features", "--out", tmp_path / "out"]
    words += ["--trials", 2, "--folds", 2, "--heads", "difference", "average", "--fix", "epochs=2", "--device", "cpu"]
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, words)))
    assert not stop.value.code
    printed = capsys.readouterr().out
    best = json.loads((tmp_path / "out" / "best.json").read_text())
    assert best["command"] in printed and str(tmp_path / "out" / "tune.html") in printed
    assert len(rows(tmp_path / "out")) == 2 and rows(tmp_path / "out")[0]["head"] == "difference"
    assert best["recipe_value"] == float(rows(tmp_path / "out")[0]["action_top1"])
    assert not (tmp_path / "out" / "fold").exists()
    page = (tmp_path / "out" / "tune.html").read_text(encoding="utf-8")
    check_self_contained(page)
    assert f"Action top-1 {best['value']:.1f} % in cross-validation" in page
    assert all(video in page for video in VIDEOS) and "--epochs 2" in page
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(best["command"])[1:])
    assert not stop.value.code and (tmp_path / "out" / "run" / "model.safetensors").exists()


def test_every_fold_is_held_out_once_and_weighs_by_its_segments(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = pretend(monkeypatch)
    tune(settings_for(data, tmp_path / "out", trials=1, folds=3))
    held = [video for call in training.calls for video in call.validation_videos]
    assert sorted(held) == sorted(VIDEOS) and len(training.calls) == 3
    assert {(call.select, call.patience) for call in training.calls} == {("last", 0)}
    (row,) = rows(tmp_path / "out")
    values = {call.validation_videos: float(row[f"fold_{k}"]) for k, call in enumerate(training.calls)}
    expected = sum(len(videos) * value for videos, value in values.items()) / len(VIDEOS)
    assert float(row["action_top1"]) == pytest.approx(expected)


def test_another_seed_tries_something_else(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    for seed in (0, 1):
        tune(settings_for(data, tmp_path / str(seed), seed=seed, trials=2))
    first, second = (rows(tmp_path / name) for name in "01")
    assert first[0]["action_top1"] == second[0]["action_top1"]  # the recipe as it is; other folds of the same videos
    assert first[1]["learning_rate"] != second[1]["learning_rate"]


def test_a_stopped_search_goes_on_as_if_it_had_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pretend(monkeypatch)
    tune(settings_for(data, tmp_path / "whole"))
    num_calls = 0
    for fail_after in (1, 2, 9, 5, None):
        part = pretend(monkeypatch, fail_after=fail_after)
        if fail_after is None:
            tune(settings_for(data, tmp_path / "broken"))
        else:
            with pytest.raises(KeyboardInterrupt):
                tune(settings_for(data, tmp_path / "broken"))
        num_calls += len(part.calls)
    assert rows(tmp_path / "whole") == rows(tmp_path / "broken")
    assert num_calls == len(whole.calls)  # no fold was trained twice
    for name in ("best.json", "importances.json"):
        left, right = ((tmp_path / folder / name).read_text() for folder in ("whole", "broken"))
        assert left == right.replace(str(tmp_path / "broken"), str(tmp_path / "whole"))
    tune(settings_for(data, tmp_path / "broken", trials=13))
    assert len(rows(tmp_path / "broken")) == 13 and rows(tmp_path / "broken")[:12] == rows(tmp_path / "whole")
    best = json.loads((tmp_path / "whole" / "best.json").read_text())
    complete = [row for row in rows(tmp_path / "whole") if row["state"] == "complete"]
    assert best["value"] == max(float(row["action_top1"]) for row in complete)
    assert best["value"] > best["recipe_value"] == float(complete[0]["action_top1"])


def test_a_search_that_was_killed_while_it_drew_tries_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(numbers: Range, trial: Any, name: str) -> float:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return draw(numbers, trial, name)

    pretend(monkeypatch)
    few: dict[str, object] = {"trials": 3, "folds": 2, "search": ("learning_rate", "weight_decay", "dropout")}
    tune(settings_for(data, tmp_path / "whole", **few))
    draw = Range.ask
    monkeypatch.setattr(Range, "ask", ask)
    for limit in (4, 5, 4, 99):
        left = iter(range(limit))
        with contextlib.suppress(KeyboardInterrupt):
            tune(settings_for(data, tmp_path / "broken", **few))
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")


def test_bad_trials_are_given_up_and_diverging_ones_noted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = pretend(monkeypatch)
    tune(settings_for(data, tmp_path / "out", trials=18))
    found = rows(tmp_path / "out")
    states = {state: [row for row in found if row["state"] == state] for state in ("complete", "pruned", "diverged")}
    assert all(states.values()) and sum(map(len, states.values())) == 18
    assert len(training.calls) < 65  # of 72
    for row in states["pruned"]:
        last = max(k for k in range(4) if row[f"fold_{k}"])
        assert int(row["trial"]) >= 5
        before = [
            [float(other[f"fold_{k}"]) for k in range(last + 1)]
            for other in found[: int(row["trial"])]
            if other[f"fold_{last}"] and other["state"] != "diverged"
        ]
        better = sum(sum(values) > sum(float(row[f"fold_{k}"]) for k in range(last + 1)) for values in before)
        assert better >= len(before) / 2 - 1
    assert all(float(row["learning_rate"]) > 0.006 for row in states["diverged"])
    importances = json.loads((tmp_path / "out" / "importances.json").read_text())
    assert set(importances) == set(SPACE) and sum(importances.values()) == pytest.approx(1)
    assert importances["learning_rate"] + importances["dropout"] > 0.5
    write_report(settings_for(data, tmp_path / "out"))
    page = (tmp_path / "out" / "tune.html").read_text(encoding="utf-8")
    check_self_contained(page)
    assert page.count('<img alt="') == 3 and page.count(">pruned<") == len(states["pruned"])
    assert f"<b>{len(states['diverged'])}</b><span>diverged</span>" in page
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"trials.png", "importances.png", "slices.png"}


def test_all_diverged(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(ArtifactError, match="every trial diverged"):
        tune(settings_for(data, tmp_path / "out", trials=2, fix=("learning_rate=0.007",)))


def test_the_command_line_means_the_same_settings(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = pretend(monkeypatch)
    fix = ("class_balanced_sampling=true", "gradient_clip=1.5")
    settings = settings_for(
        data, tmp_path / "a b", trials=3, fix=fix, heads=("tcn",), objective="noun_mean_class", joint=True
    )
    tune(settings)
    best = json.loads((settings.out / "best.json").read_text())
    assert best["objective"] == "noun_mean_class"
    parsed = tyro.cli(TrainSettings, args=shlex.split(best["command"])[2:])
    assert (
        parsed.joint and parsed.class_balanced_sampling is True and parsed.gradient_clip == 1.5 and parsed.head == "tcn"
    )
    tried = next(c for c in training.calls if c.learning_rate == parsed.learning_rate)
    changes = {"run": settings.out / "run", "validation_videos": (), "select": "best", "patience": None}
    assert parsed == replace(tried, **changes)  # type: ignore[arg-type]


def test_another_search_is_not_mixed_in(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    csv_path = write_csv(tmp_path / "train.csv", videos=VIDEOS, num_each=6)
    settings = replace(settings_for(data, tmp_path / "out", trials=2), segments=(csv_path,))
    tune(settings)
    with pytest.raises(ArtifactError, match="seed was 0, now 1"):
        tune(replace(settings, seed=1))
    csv_path.write_text(
        csv_path.read_text().replace("A_1_0,A_1,00:00:00.0,00:00:00.9,open", "A_1_0,A_1,00:00:00.0,00:00:00.9,cut")
    )
    with pytest.raises(ArtifactError, match="segments_hash"):
        tune(settings)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"something else, such as thesis\.txt"):
        tune(replace(settings, out=tmp_path / "thesis"))
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.txt"]


def test_a_damaged_study(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    settings = settings_for(data, tmp_path / "out", trials=1)
    tune(settings)
    (tmp_path / "out" / "study.sqlite3").write_bytes(b"rubbish" * 999)
    with pytest.raises(ArtifactError, match="not a study of this egoact"):
        tune(settings)
    (tmp_path / "out" / "trials.csv").write_text("nothing\n1\n")
    with pytest.raises(ArtifactError, match="not what egoact tune writes"):
        write_report(settings)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--folds", "5"], "5 folds of 4 videos"),
        (["--folds", "1"], "--folds must be at least 2"),
        (["--trials", "0"], "--trials must be at least 1"),
        (["--heads", "brain"], "unknown head 'brain'"),
        (["--heads", "convlstm"], "needs maps features"),
        (["--fix", "colour=red"], "no field 'colour'"),
        (["--fix", "dropout=2"], "dropout must be in [0, 1)"),
        (["--targets", "verb", "--objective", "action_top1"], "what is learned here is verb"),
        (["--search", "colour"], "colour"),
        (["--segments", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_usage(
    data: Path, tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = {"--segments": data / "train.csv", "--features": data / "features", "--out": tmp_path / "out", "--folds": 2}
    given = [str(word) for pair in usual.items() if pair[0] not in arguments for word in pair]
    with pytest.raises(SystemExit) as stop:
        main(["tune", *given, *arguments])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_optuna_it_says_what_to_install(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs optuna: pip install 'egoact\[tune\]'"):
        tune(settings_for(data, tmp_path / "out"))


def test_one_search_at_a_time(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(data, tmp_path / "out", trials=1)

    def another(inner: TrainSettings) -> int:
        with pytest.raises(ArtifactError, match="another egoact tune is writing here"):
            tune(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("egoact.commands.learning.train.train", another)
    with pytest.raises(KeyboardInterrupt):
        tune(settings)


@pytest.mark.parametrize("head", HEADS)
def test_every_width_that_is_tried_can_be_built(head: str) -> None:
    from egoact.models.heads import build_head
    from egoact.training.tuning.space import WIDTH_FACTORS

    if (width := default_width(head)) is not None:
        shape = (8,) if HEADS[head].kind == "pooled" else (8, 7, 7)
        for factor in WIDTH_FACTORS:
            build_head(head, feature_shape=shape, num_frames=20, width=int(width * factor))


def test_the_packaged_recipes_are_points_of_the_space() -> None:
    default, report = (
        ClipSpace(SPACE, ("lstm",), ("cross_entropy",), choose_recipe(name)).default_parameters()
        for name in ("default", "report")
    )
    assert set(default) == set(SPACE)
    missing = set(SPACE) - set(report)
    assert missing == {"weight_decay"}  # zero is no point of a logarithmic scale
    assert set(RECIPE_SPACE) < set(Recipe.__dataclass_fields__)


def test_awkward_folder_names(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    out = tmp_path / "100 % sure? #1 ü"
    tune(settings_for(data, out, trials=1))
    assert (out / "study.sqlite3").exists() and [path.name for path in tmp_path.iterdir()] == [out.name]
    with Study(out, seed=0, first={}) as study:
        assert [result.number for result in study.results()] == [0]


def count_measured(folder: Path) -> int:
    """Folds that are measured, in a folder whose folders may be deleted meanwhile."""
    return sum("metrics.json" in names for _, _, names in os.walk(folder))


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_killed_search_goes_on(data: Path, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        words = ["tune", "--segments", data / "train.csv", "--out", out]
        words += ["--features", data / "features", "--trials", 4, "--folds", 2, "--heads", "average", "lstm"]
        return [*map(str, words), "--fix", "epochs=3", "--device", "cpu"]

    def finish(out: Path) -> None:
        assert tune(tyro.cli(TuneSettings, args=command(out)[1:])) == 0

    finish(tmp_path / "whole")
    for _ in range(2):
        process = begin(command(tmp_path / "killed"), printed=tmp_path / "printed.txt")
        before = count_measured(tmp_path / "killed")
        while process.is_alive() and count_measured(tmp_path / "killed") <= before:
            time.sleep(0.01)
        process.kill()
        process.join()
    finish(tmp_path / "killed")
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_a_trial_of_several_seeds_is_judged_by_their_mean(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 1)  # all of it in this process
    plan: dict[str, object] = {
        "trials": 1,
        "folds": 2,
        "heads": ("lstm",),
        "search": ("dropout",),
        "fix": ("epochs=2",),
    }
    tune(settings_for(data, tmp_path / "out", seeds=2, **plan))
    (row,) = rows(tmp_path / "out")
    videos = json.loads((tmp_path / "out" / "tune.json").read_text())["folds"][0]
    values = []
    for seed in (0, 1):
        run = tmp_path / str(seed)
        same = {"segments": (data / "train.csv",), "features": (data / "features",), "device": "cpu", "head": "lstm"}
        train(TrainSettings(run=run, validation_videos=tuple(videos), epochs=2, select="last", seed=seed, **same))  # type: ignore[arg-type]
        values.append(json.loads((run / "metrics.json").read_text())["action"]["top1"])
    assert float(row["fold_0"]) == pytest.approx(sum(values) / 2)


def test_a_study_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    from optuna.exceptions import StorageInternalError

    with pytest.raises(ArtifactError, match=r"study.sqlite3: cannot be written"), Study(tmp_path, seed=0, first={}):
        raise StorageInternalError("An exception is raised during the commit.")


@pytest.mark.usefixtures("forked_workers")
def test_processes_that_share_the_folds_find_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores in (1, 2):
        monkeypatch.setattr("egoact.training.sharing.num_cores", lambda cores=cores: cores)
        tune(settings_for(data, tmp_path / str(cores), trials=2, folds=3, heads=("average",), fix=("epochs=2",)))
    assert rows(tmp_path / "1") == rows(tmp_path / "2")
    assert all(row[f"fold_{fold}"] for row in rows(tmp_path / "1")[:1] for fold in range(3))
    assert not (tmp_path / "2" / "fold").exists()

"""The search for settings of `egoact train-timeline`."""

import csv
import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.data.import_features import ImportFeaturesSettings, import_features
from egoact.commands.learning.tune_timeline import TuneTimelineSettings, tune_timeline
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.models.detectors import TRAINABLE, build_detector
from egoact.models.names import DETECTOR
from egoact.models.segmenters import build_model
from egoact.timelines.learning.segmenter_training import HeldOut, SegmenterTraining
from egoact.training.tuning.segmenter_space import OPTION_SPACE, SegmenterSpace, option_default
from tests.makers.data.foreign import write_data_set

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a data set of five recordings."""
    folder = tmp_path_factory.mktemp("tune")
    write_data_set(folder / "tea", videos=[f"S{n}_Tea" for n in range(1, 6)], noise=1.0)
    import_features(ImportFeaturesSettings(folder=folder / "tea", out=folder / "store", rate=15))
    return folder


def settings(work: Path, out: Path, **changes: object) -> TuneTimelineSettings:
    segments = (work / "store" / "labels" / "train.split1.csv",)
    made = TuneTimelineSettings(segments=segments, features=(work / "store",), out=out, trials=3)
    return replace(made, **changes)  # type: ignore[arg-type]


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "trials.csv").read_text().splitlines()))


@pytest.mark.slow
def test_the_best_of_some_trials_can_be_trained(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segments, out = work / "store" / "labels" / "train.split1.csv", tmp_path / "out"
    flags = ["--segments", segments, "--features", work / "store", "--out", out, "--trials", 3]
    with pytest.raises(SystemExit) as stop:
        main(["tune-timeline", *map(str, flags)])
    assert not stop.value.code
    best, found = json.loads((out / "best.json").read_text()), rows(out)
    assert best["command"] in capsys.readouterr().out
    assert [float(row["penalty"]) for row in found][0] == 1.0 and len({row["penalty"] for row in found}) == 3
    assert {row["rate"] for row in found} <= {"3", "5"}
    assert best["recipe_value"] == pytest.approx(float(found[0]["verb_mean"]))
    assert best["value"] == max(float(row["verb_mean"]) for row in found)
    page = (out / "tune.html").read_text()
    assert "on 4 recordings, each by a training that had not seen it" in page and "The folds" not in page
    with pytest.raises(SystemExit) as stop:
        main([*shlex.split(best["command"])[1:]])
    assert not stop.value.code
    metrics = json.loads((out / "run" / "metrics.json").read_text())["verb"]
    measured = [metrics["frame_accuracy"], metrics["edit"], *metrics["f1"].values()]
    assert sum(measured) / 5 == pytest.approx(best["value"])


def test_a_search_goes_on_where_it_stopped_and_refuses_another(work: Path, tmp_path: Path) -> None:
    asked = settings(work, tmp_path / "out", trials=1, search=("penalty",), objective="f1_50")
    tune_timeline(asked)
    first = rows(tmp_path / "out")
    tune_timeline(replace(asked, trials=2))
    assert rows(tmp_path / "out")[:1] == first and len(rows(tmp_path / "out")) == 2
    with pytest.raises(ArtifactError, match="holds a search of other settings"):
        tune_timeline(replace(asked, seed=1))


def test_a_training_that_diverges_is_noted_and_not_chosen(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_out = SegmenterTraining.hold_out

    def diverging(self: SegmenterTraining, table: SegmentTable) -> Iterator[HeldOut]:
        for held in hold_out(self, table):
            broken = {target: values * np.nan for target, values in held.scores.items()}
            yield held if self.config.options["penalty"] == 1.0 else replace(held, scores=broken)

    monkeypatch.setattr(SegmenterTraining, "hold_out", diverging)
    tune_timeline(settings(work, tmp_path / "out", trials=2, search=("penalty",)))
    assert [row["state"] for row in rows(tmp_path / "out")] == ["complete", "diverged"]
    assert json.loads((tmp_path / "out" / "best.json").read_text())["trial"] == 0


def test_impossible_searches_are_said(work: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown segmenter 'tcn'"):
        settings(work, tmp_path, segmenters=("tcn",))
    with pytest.raises(ValueError, match="of these, there is nothing to choose here"):
        tune_timeline(settings(work, tmp_path / "out", search=("streams", "width")))
    one = work / "store" / "labels" / "test.split1.csv"
    with pytest.raises(ValueError, match="labels one recording; cross-validation needs two"):
        tune_timeline(settings(work, tmp_path / "out", segments=(one,)))


class Asked:
    """A trial that answers as it is told, and takes the first choice of everything else."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.names: list[str] = []

    def _answer(self, name: str, other: object) -> object:
        self.names.append(name)
        return self.answers.get(name, other)

    def suggest_categorical(self, name: str, choices: list[object]) -> object:
        return self._answer(name, choices[0])

    def suggest_float(self, name: str, low: float, high: float, **_: object) -> object:
        return self._answer(name, low)

    def suggest_int(self, name: str, low: int, high: int, **_: object) -> object:
        return self._answer(name, low)


def space(*segmenters: str, streams: tuple[str, ...] = ("rgb", "motion"), rate: int = 8) -> SegmenterSpace:
    from egoact.training.tuning.segmenter_space import SPACE

    return SegmenterSpace(SPACE, segmenters, streams, rate, usual_rate=4)


def test_trials_get_what_their_segmenter_takes() -> None:
    both = space("linear", "mstcn")
    assert set(both.searched) > {"segmenter", "streams", "rate", "penalty", "width", "updates"}
    linear = both.suggest(Asked(segmenter="linear", streams="motion", rate=2, penalty=3.0))  # type: ignore[arg-type]
    assert linear == {"segmenter": "linear", "streams": ("motion",), "rate": 2, "penalty": 3.0}
    network = both.suggest(Asked(segmenter="mstcn"))  # type: ignore[arg-type]
    assert "penalty" not in network and {"width", "dropout", "updates", "warp"} < set(network)
    assert "penalty" in space("causal").searched and "width" not in space("causal").searched
    assert space("linear", streams=("rgb",), rate=7).searched == ("penalty",)
    assert {"width", "dropout", "warp"} < set(space("detector").searched)
    assert not {"smoothing", "penalty"} & set(space("detector").searched)  # its loss knows no steps


@pytest.mark.parametrize("segmenter", TRAINABLE)
def test_the_usual_answers_are_the_settings_as_they_are(segmenter: str) -> None:
    one = space(segmenter)
    usual = one.suggest(Asked(**one.default_parameters()))  # type: ignore[arg-type]
    assert one.is_usual(usual)
    assert one.is_usual(json.loads(json.dumps(usual)))
    assert not one.is_usual(usual | {"rate": 2})


@pytest.mark.parametrize("segmenter", TRAINABLE)
def test_everything_that_is_tried_can_be_built(segmenter: str) -> None:
    for end in ("low", "high"):
        taken = {n: r for n, r in OPTION_SPACE.items() if option_default(segmenter, n) is not None}
        options = {name: getattr(found, end) for name, found in taken.items()}
        asked = {"num_channels": [8], "sizes": [3], "components": 4, "members": 1, "options": options}
        if segmenter == DETECTOR:
            build_detector(**asked)  # type: ignore[arg-type]
        else:
            build_model(segmenter, rate=2, **asked)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_search_tries_detectors(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = TuneTimelineSettings.train_settings
    quick = lambda self, flags, *, run: replace(usual(self, flags, run=run), updates=4)  # noqa: E731
    monkeypatch.setattr(TuneTimelineSettings, "train_settings", quick)
    assert tune_timeline(settings(work, tmp_path / "out", segmenters=("linear", "detector"), trials=2)) == 0
    tried = [row["segmenter"] for row in rows(tmp_path / "out")]
    assert "detector" in tried and all(row["state"] == "complete" for row in rows(tmp_path / "out"))

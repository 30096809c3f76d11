"""What labels alone achieve: the grammar by hand, both baselines on made-up recordings, and on the real rows."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.measuring.baselines import BaselinesSettings, baselines
from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.metrics.protocol import MEASURE
from egoact.evaluation.label_baselines import Grammar, histories
from tests.makers.machines.places import SHARED

EPIC = SHARED / "data" / "epic-kitchens-100"


def table_of(*times: tuple[str, float, float]) -> SegmentTable:
    segments = tuple(Segment(str(i), "P01", video, start, stop) for i, (video, start, stop) in enumerate(times))
    return SegmentTable(Path("a.csv"), segments)


def test_only_actions_that_began_a_gap_before_are_known() -> None:
    table = table_of(("b", 0, 9), ("a", 4.5, 5), ("a", 0, 1), ("a", 4, 6), ("a", 5.5, 7))
    verbs, nouns = np.array([9, 3, 1, 2, 4]), np.zeros(5, dtype=np.int64)
    found = histories(table, verbs, nouns, gap_seconds=1.0)
    last = [known[1][0] for known in found]
    assert last == [
        -1,
        1,
        -1,
        1,
        3,
    ]  # at 4.5 s, what began at 4 s is too recent; at 5.5 s, what began at 4.5 s is known
    assert found[4][2] == (2, 0, 3, 0)
    with pytest.raises(ValueError, match="cannot be negative"):
        histories(table, verbs, nouns, gap_seconds=-1)


def test_the_grammar_backs_off_by_hand() -> None:
    known = [((0,),), ((0,),), ((0,),), ((1,),)]
    grammar = Grammar.learn(known, np.array([0, 0, 1, 2]), num_classes=4)
    after_0, unknown = grammar.probabilities([((0,),), ((7,),)])
    # Three times seen, two classes followed: a share of 2 / 5 is left to the prior.
    assert after_0 == pytest.approx([2 / 5 + 0.4 * 0.5, 1 / 5 + 0.4 * 0.25, 0.4 * 0.25, 0])
    assert unknown == pytest.approx([0.5, 0.25, 0.25, 0])


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """Recordings in which nouns take turns: what comes next is certain after the last, and never by frequency."""
    for name, participant, count in (("train", "P01", 405), ("validation", "P02", 400)):  # the first five more often
        lines = ["narration_id,video_id,participant_id,start_seconds,stop_seconds,verb_class,noun_class"]
        lines += [
            f"{name}{i},{participant}_01,{participant},{3 * i},{3 * i + 2},{i % 2},{i % 40}" for i in range(count)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_grammar_knows_what_frequency_does_not(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = BaselinesSettings(train=(kitchen / "train.csv",), validation=(kitchen / "validation.csv",), out=kitchen)
    assert baselines(settings) == 0
    measured = json.loads((kitchen / "baselines.json").read_text())
    assert measured["prior"]["noun"][MEASURE] == pytest.approx(100 * 5 / 40)
    assert measured["grammar"]["noun"][MEASURE] == 100
    assert measured["grammar"]["action"][MEASURE] == 100
    assert "grammar, all                  100.00  100.00  100.00" in capsys.readouterr().out


def test_a_list_by_frequency_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb without pauses is found by its length alone; a shorter one is met half, by two answers each."""
    lines = ["video_id,start_seconds,stop_seconds,verb_class,noun_class"]
    lines += [f"P01_01,{2 * i},{2 * i + 2},0,0" for i in range(20)]
    lines += [f"P01_01,{2 * i + 0.5},{2 * i + 1.5},1,0" for i in range(10)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    settings = BaselinesSettings(task="detection", train=(path,), validation=(path,), out=tmp_path)
    assert baselines(settings) == 0
    measured = json.loads((tmp_path / "baselines.json").read_text())["prior"]
    assert measured["num_detections"] == 20 + 40  # recordings of 40 s, in pieces of 2 s and of 1 s
    # The pieces of 1 s share a third with two neighbours: one of the two takes the true segment.
    assert measured["verb"]["0.5"] == 50
    assert measured["verb"]["0.3"] == pytest.approx(50 + 50 * expected_precision(), abs=0.01)
    assert "prior, tIoU 0.5" in capsys.readouterr().out


def expected_precision() -> float:
    """Of equally sure answers in order of time: ten hits among the first twenty, the first one a hit, none later."""
    hits = [number % 2 == 0 for number in range(20)]
    precisions = [sum(hits[: number + 1]) / (number + 1) for number in range(20)]
    return sum(max(precisions[number:]) for number in range(20) if hits[number]) / 10


def test_segments_without_labels_are_one_clear_line(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = kitchen / "bare.csv"
    bare.write_text("video_id,start_seconds,stop_seconds,verb_class\nP01_01,0,1,0\n")
    with pytest.raises(SystemExit) as stop:
        main(["baselines", "--train", str(bare), "--validation", str(kitchen / "validation.csv")])
    assert stop.value.code == 2
    assert "no noun labels; both verbs and nouns are needed" in capsys.readouterr().err
    with pytest.raises(ValueError, match="--gap must be at least 0"):
        BaselinesSettings(train=(bare,), validation=(bare,), gap=-1)


@pytest.mark.slow
def test_the_real_rows(tmp_path: Path) -> None:
    train, validation = EPIC / "EPIC_100_train_30fps.csv", EPIC / "EPIC_100_validation.csv"
    if not train.exists():
        pytest.skip("needs the EPIC-KITCHENS-100 annotations in ../shared/data")
    baselines(BaselinesSettings(train=(train,), validation=(validation,), annotations=EPIC, out=tmp_path))
    measured = json.loads((tmp_path / "baselines.json").read_text())
    assert measured["prior"]["num_segments"] == 9668
    assert measured["prior"]["verb"][MEASURE] == pytest.approx(100 * 5 / 78)  # 78 verbs occur
    assert measured["prior"]["tail"]["action"]["num_segments"] == 3105
    assert measured["grammar"]["unseen"]["verb"]["num_segments"] == 1065
    for target in ("verb", "noun", "action"):
        assert measured["grammar"][target][MEASURE] > 3 * measured["prior"][target][MEASURE]

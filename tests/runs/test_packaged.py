"""The run that comes with egoact: whole, small, made again with the same bytes, and right more often than not."""

import runpy
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.core.annotations.segments import read_segments
from egoact.core.files import read_json
from egoact.kitchen.make import make_kitchen
from egoact.runs.exported import read_export
from egoact.runs.loading import PACKAGED_RUN, load_run
from egoact.runs.provenance import Provenance
from tests.makers.films.kitchens import FilmKitchen
from tests.makers.machines.places import ROOT


def test_it_is_small_and_its_card_says_what_it_is() -> None:
    manifest = read_export(PACKAGED_RUN)  # and its files are what they were when it was made
    assert sum(path.stat().st_size for path in PACKAGED_RUN.iterdir()) < 1_200_000
    run, card = load_run(PACKAGED_RUN), (PACKAGED_RUN / "README.md").read_text(encoding="utf-8")
    known = Provenance.read(PACKAGED_RUN)
    assert manifest.precision == "f16" and not run.segmenter.looks_ahead
    assert (
        known is not None
        and f"{len(known.training)} recordings with {sum(map(len, known.training.values()))}" in " ".join(card.split())
    )
    for target, vocabulary in run.answers.config.vocabularies.items():
        assert f"{vocabulary.size} {target}s ({', '.join(vocabulary.names)})" in " ".join(card.split())


@pytest.mark.slow
def test_without_a_run_it_names_most_verbs_of_a_kitchen_that_it_never_saw(
    film_kitchen: FilmKitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen = tmp_path / "kitchen"
    film_kitchen(kitchen, 5)
    make_kitchen(kitchen, num_videos=5)
    labels = kitchen / "validation.csv"
    (video_id,) = read_segments(labels).video_ids
    video, out = next(kitchen.rglob(f"{video_id}.MP4")), tmp_path / "timeline"
    for words in (
        ["predict", str(video), "--out", str(out), "--no-proxy"],
        ["evaluate", "--timeline", str(out / "timeline.json"), "--segments", str(labels), "--out", str(tmp_path / "e")],
    ):
        with pytest.raises(SystemExit, match="0"):
            main(words)
    told = capsys.readouterr().err
    assert told.count("trained on rendered kitchens and knows 14 verbs (take, put, open,") == 1
    found = read_json(tmp_path / "e" / "metrics.json")
    assert found["verb"]["f1"]["25"] > 50
    assert found["noun"]["frame_accuracy"] > found["baselines"]["background"]["noun"]["frame_accuracy"]


@pytest.mark.slow
def test_it_is_made_again_with_the_same_bytes(film_kitchen: FilmKitchen, tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "benchmarks/packaged_run.py"))
    made = []
    for number in range(2):
        work, out = tmp_path / str(number), tmp_path / f"{number}_out"
        film_kitchen(work / "kitchen", 3)
        small = {"videos": 3, "backbone": "tiny-random", "cut": 2, "size": 32}
        script["main"](script["Settings"](work=work, out=out, **small))
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert made[0] == made[1]
    assert {"frame_grid.onnx", "sequence.onnx", "step.onnx", "config.json", "README.md"} <= made[0].keys()

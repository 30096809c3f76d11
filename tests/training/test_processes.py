"""Trainings in several processes, and trainings that are killed: real processes, by the command line."""

import csv
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.training.run_folder import is_leader
from tests.makers.checks import assert_same_run
from tests.makers.data.features import write_csv, write_store
from tests.makers.machines.processes import begin


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv", num_each=24))
    return tmp_path


def command(data: Path, *flags: object) -> list[str]:
    given = ("--segments", data / "train.csv", "--features", data / "features", "--validation-videos", "B_1", *flags)
    return ["train", "--device", "cpu", *map(str, given)]


def history(run: Path) -> list[dict[str, float]]:
    with (run / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_in_two(words: list[str], place: Path, *, rank: str) -> str:
    """What the processes of one training print together; each is told its rank, and where the first one waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(free_port()))
        logs, both = [place / "rank_0.txt", place / "rank_1.txt"], []
        for number, printed in enumerate(logs):
            patch.setenv(rank, str(number))
            both.append(begin(words, printed=printed))
    for each in both:
        each.join(timeout=300)
    said = [log.read_text() for log in logs]
    assert [each.exitcode for each in both] == [0, 0], said
    return "".join(said)


def run_on_two_devices(words: list[str], place: Path) -> tuple[int | None, str]:
    """The exit code of a training that begins the other process itself, and what both printed until both ended."""
    printed = place / "printed"
    os.mkfifo(printed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        first = begin(words, printed=printed)
    said = subprocess.run(["cat", printed], capture_output=True, text=True, timeout=300, check=True).stdout
    first.join(timeout=300)
    return first.exitcode, said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "nodes"),
    [("lstm", 1), ("difference", 2)],  # with batch normalisation, and the default, on two nodes
)
def test_two_processes_equal_one_with_the_doubled_batch(data: Path, head: str, nodes: int) -> None:
    same = {"epochs": 4, "dropout": 0.0, "gradient_clip": 0.5, "ema": 0.9}
    flags = [part for name, value in same.items() for part in (f"--{name.replace('_', '-')}", value)]
    where = ("--nodes", 2) if nodes > 1 else ("--devices", 2)
    words = command(data, "--run", data / "two", "--head", head, *where, "--batch-size", 4, *flags)
    exit_code, printed = (
        (0, run_in_two(words, data, rank="NODE_RANK")) if nodes > 1 else run_on_two_devices(words, data)
    )
    assert exit_code == 0, printed
    assert printed.count("trained") == 1, "only one process speaks"
    train(
        TrainSettings(
            segments=(data / "train.csv",),
            features=data / "features",
            run=data / "one",
            validation_videos=("B_1",),
            head=head,
            batch_size=8,
            device="cpu",
            **same,  # type: ignore[arg-type]
        )
    )
    two, one = history(data / "two"), history(data / "one")
    assert len(two) == len(one) == 4
    for a, b in zip(two, one, strict=True):
        for name in set(a) - {"seconds"}:
            assert a[name] == pytest.approx(b[name], rel=1e-4), name
    assert two[0]["train_loss"] > two[-1]["train_loss"]
    a, b = (load_file(data / name / "last" / "model.safetensors") for name in ("two", "one"))
    for name in a:
        assert (a[name] - b[name]).abs().max() < 1e-4, name


def finish(command: list[str]) -> None:
    """The same in this process, which has imported everything already."""
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert not stop.value.code


@pytest.mark.slow
def test_a_lost_loss_ends_all_processes_with_one_reason(tmp_path: Path) -> None:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv", num_each=24))
    flags = ("--run", tmp_path / "run", "--devices", 2, "--head", "lstm", "--learning-rate", 1e30, "--gradient-clip", 0)
    exit_code, printed = run_on_two_devices(command(tmp_path, *flags), tmp_path)
    assert exit_code == 2
    lines = {line for line in printed.splitlines() if line.startswith("egoact: ")}
    assert len(lines) == 1 and "the loss became nan in epoch" in lines.pop()
    assert "Traceback" not in printed


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_ends_as_an_unbroken_one(data: Path) -> None:
    flags = ("--head", "lstm", "--epochs", 70, "--ema", 0.9, "--mixup", 0.2, "--class-balanced-sampling", True)
    finish(command(data, "--run", data / "whole", *flags))
    kills = 0
    for lines in (5, 30):
        words = command(data, "--run", data / "killed", *flags)
        running = begin(words, printed=data / "printed.txt")
        written = data / "killed" / "history.csv"
        while running.is_alive() and not (written.exists() and written.read_text().count("\n") > lines):
            time.sleep(0.01)
        running.kill()
        running.join()
        kills += running.exitcode == -signal.SIGKILL
    assert kills == 2, "it was faster than its killer"
    finish(command(data, "--run", data / "killed", *flags))
    assert_same_run(data / "whole", data / "killed")


def test_one_process_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert is_leader()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert is_leader()
    monkeypatch.setenv("NODE_RANK", "1")
    assert not is_leader()

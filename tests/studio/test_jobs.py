"""Jobs: real processes, their progress, cancelling them, and what is left when the studio is killed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from egoact.studio.database import Database
from egoact.studio.schemas.jobs import Job
from egoact.studio.work.jobs import Jobs, Plan, read_progress
from tests.makers.machines.places import ROOT

VERSION = Plan("extract", "quick", ("egoact", "--version"))
WRONG = Plan("extract", "wrong", ("egoact", "extract"))
LONG = Plan("extract", "long", ("python", "-m", "http.server", "0", "--bind", "127.0.0.1"))


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    database = Database(tmp_path / "state.sqlite")
    made = Jobs(database, tmp_path, tmp_path / "jobs", lambda _: None)
    yield made
    made.close()
    database.close()


def until(jobs: Jobs, number: int, *states: str) -> Job:
    for _ in range(6000):
        job = jobs.find(number)
        if job.state in states:
            return job
        time.sleep(0.05)
    raise AssertionError(jobs.find(number))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("extract: 30/120 steps (25 %), 12 steps/s, 1 min 05 s left", ("extract", 30, 120, "steps", 65)),
        ("a: b.mp4: 3/4 steps (75 %), 1.5 steps/s, 1 s left, P01", ("a: b.mp4", 3, 4, "steps", 1)),
        ("train: 5/5 updates (100 %), 3.0 updates/s, 1 h 02 min left", ("train", 5, 5, "updates", 3720)),
        ("train: 0/5 updates (0 %), 0.0 updates/s", ("train", 0, 5, "updates", None)),
        ("x.mp4 for browsers: 120 frames, 80 frames/s", ("x.mp4 for browsers", 120, None, "frames", None)),
        ("train: loading the network ...", None),
        ("trained linear on 4 recordings in 12 s; run", None),
    ],
)
def test_progress_is_read_as_it_is_written(line: str, told: tuple[object, ...] | None) -> None:
    found = read_progress(line)
    assert (found and (found.what, found.done, found.total, found.unit, found.seconds_left)) == told


def test_lines_of_our_own_progress_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    from egoact.core.progress import Progress

    for total in (None, 200):
        with Progress("kitchen 1.mp4", total=total, unit="steps") as progress:
            progress.advance(50)
            progress.say(progress.line())
        found = read_progress(capsys.readouterr().err.strip())
        assert found is not None and (found.what, found.done, found.total) == ("kitchen 1.mp4", 50, total)


def test_commands_run_one_after_the_other_as_a_person_could_type_them(jobs: Jobs) -> None:
    first, second, third = jobs.submit([VERSION, WRONG, Plan("x", "y", ("egoact", "stats", "a b"), follows=True)])
    done = until(jobs, first.id, "done")
    assert done.command_line == "egoact --version" and done.exit_code == 0 and done.last_line.startswith("egoact ")
    wrong = until(jobs, second.id, "failed")
    assert wrong.exit_code == 2 and "egoact extract --help" in wrong.last_line
    given_up = until(jobs, third.id, "failed")
    assert given_up.command_line == "egoact stats 'a b'" and given_up.started_at is None
    assert f"job {second.id}, which it needs" in given_up.last_line
    assert jobs.read_log(first.id, max_bytes=100).text.startswith("egoact ")
    assert [job.id for job in jobs.find_all()] == [third.id, second.id, first.id]


def test_jobs_can_be_cancelled_waiting_or_running(jobs: Jobs) -> None:
    running, waiting = jobs.submit([LONG, VERSION])
    until(jobs, running.id, "running")
    assert jobs.running == running.id
    assert jobs.cancel(waiting.id).state == "cancelled"
    jobs.cancel(running.id)
    assert until(jobs, running.id, "cancelled").ended_at is not None
    assert jobs.cancel(running.id).state == "cancelled"  # again: nothing happens


def test_copies_for_browsers_do_not_wait_for_a_training(jobs: Jobs) -> None:
    heavy, waiting, light = jobs.submit([LONG, VERSION, Plan("playable", "copy", ("egoact", "--version"))])
    assert until(jobs, light.id, "done").exit_code == 0
    assert jobs.find(heavy.id).state == "running" and jobs.find(waiting.id).state == "queued"
    jobs.cancel(heavy.id)
    until(jobs, waiting.id, "done")


_STUDIO = """
import sys, time
from pathlib import Path
from egoact.studio.database import Database
from egoact.studio.work.jobs import Jobs, Plan
folder = Path(sys.argv[1])
jobs = Jobs(Database(folder / "state.sqlite"), folder, folder / "jobs", lambda _: None)
[job] = jobs.submit([Plan("extract", "long", ("python", "-m", "http.server", "0", "--bind", "127.0.0.1"))])
while jobs.find(job.id).state != "running" or b"Serving" not in (folder / "jobs" / "1.log").read_bytes():
    time.sleep(0.05)
print("running", flush=True)
time.sleep(60)
"""


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_killed_studio_takes_its_jobs_with_it_and_says_so_later(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-c", _STUDIO, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as studio:
        assert studio.stdout is not None and studio.stdout.readline() == b"running\n"
        port = int(re.search(r"port (\d+)", (tmp_path / "jobs" / "1.log").read_text())[1])  # type: ignore[index]
        assert is_open(port)
        studio.send_signal(signal.SIGKILL)
        studio.wait()
    for _ in range(200):
        if not is_open(port):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the job outlived the studio")
    database = Database(tmp_path / "state.sqlite")
    again = Jobs(database, tmp_path, tmp_path / "jobs", lambda _: None)
    job = again.find(1)
    assert job.state == "interrupted" and job.ended_at is not None and "the studio ended" in job.last_line
    again.close()
    database.close()

"""Jobs: `egoact` commands as processes, one heavy one at a time, in the order in which they came.

Copies for browsers are light: somebody waits for them, and does not wait for a training that takes hours.

Each has a session of its own, so that it can be stopped with all its processes, and writes into a log file. What is
known of jobs outlives the server; a job that ran when the server ended is called interrupted.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from egoact.studio.database import Database
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.jobs import Job, JobLog, Progress

_LOOK_SECONDS = 0.2
_TELL_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
_LIGHT = ("playable", "quick")
_ENDED = ("done", "failed", "cancelled", "interrupted")
_ENDED_FIRST = "the studio ended while it ran"
_COUNTED = re.compile(
    r"(?P<what>.{1,200}): (?P<done>\d+)/(?P<total>\d+) (?P<unit>\S+(?: \S+)?) \(\d+ %\), [^,]+"
    r"(?:, (?P<left>(?:\d+ (?:h|min|s) ?)+) left)?(?:, .*)?"
)
_UNCOUNTED = re.compile(r"(?P<what>.{1,200}): (?P<done>\d+) (?P<unit>\S+(?: \S+)?), \d+ \S+(?: \S+)?/s")
_PART = re.compile(r"(\d+) (h|min|s)")
_SECONDS = {"h": 3600, "min": 60, "s": 1}


def read_progress(line: str) -> Progress | None:
    """How far a command is, where a line of `core/progress.py` says so.

    >>> read_progress("extract: 30/120 steps (25 %), 12 steps/s, 1 min 05 s left").seconds_left
    65.0
    """
    found = _COUNTED.fullmatch(line) or _UNCOUNTED.fullmatch(line)
    if found is None:
        return None
    told: dict[str, Any] = {"total": None, "left": None} | found.groupdict()
    parts = _PART.findall(told["left"] or "")
    left = float(sum(int(number) * _SECONDS[unit] for number, unit in parts)) if parts else None
    return Progress(**told, seconds_left=left)


@dataclass(frozen=True)
class Plan:
    """A job to be; what `schemas.jobs.Job` says of kind, title and subject.

    Args:
        words: Of the command line: "egoact", its command, its flags; or "python", "-m", a module, its arguments.
        follows: Whether it needs the plan before it to succeed.
    """

    kind: str
    title: str
    words: Sequence[str]
    subject: str | None = None
    follows: bool = False


class Jobs:
    """The queue, and the process that runs now in the project's folder; what it prints goes into the folder of logs.

    `changed` is called with a job when something about it is other than before.
    """

    def __init__(self, database: Database, project: Path, logs: Path, changed: Callable[[Job], None]) -> None:
        self._database, self._project, self._logs, self._changed = database, project, logs, changed
        self._logs.mkdir(exist_ok=True)
        self._progress: dict[int, Progress] = {}
        self._running: dict[bool, int] = {}  # whether it is light -> job
        self._cancelled: set[int] = set()
        self._wake, self._is_closing = threading.Condition(), False
        update = "UPDATE jobs SET state = 'interrupted', ended_at = ?, last_line = ? WHERE state = 'running'"
        database.execute(update, _now(), _ENDED_FIRST)
        self._threads = [
            threading.Thread(target=self._work, args=(is_light,), name="jobs", daemon=True)
            for is_light in (False, True)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the processes that run; their jobs are called interrupted."""
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, plans: Sequence[Plan]) -> list[Job]:
        """Put jobs into the queue."""
        numbers: list[int] = []
        columns = "kind, title, state, words, created_at, needs, subject"
        statement = f"INSERT INTO jobs ({columns}) VALUES (?, ?, 'queued', ?, ?, ?, ?)"
        with self._database.transaction():
            for plan in plans:
                needs = numbers[-1] if plan.follows and numbers else None
                told = (plan.kind, plan.title, json.dumps(list(plan.words)), _now(), needs, plan.subject)
                numbers.append(self._database.execute(statement, *told))
        jobs = [self.find(number) for number in numbers]
        for job in jobs:
            self._changed(job)
        with self._wake:
            self._wake.notify_all()
        return jobs

    def find_all(self) -> list[Job]:
        """Newest first."""
        return [self._describe(row) for row in self._database.rows("SELECT * FROM jobs ORDER BY id DESC LIMIT 500")]

    def find(self, number: int) -> Job:
        """One of them; 404 for any other."""
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", number)
        if row is None:
            raise Refusal(404, f"there is no job {number}")
        return self._describe(row)

    def unfinished(self, kind: str, subject: str) -> int | None:
        """The job of this kind that waits or runs for a run or recording."""
        query = "SELECT id FROM jobs WHERE kind = ? AND subject = ? AND state IN ('queued', 'running') ORDER BY id"
        row = self._database.row(query, kind, subject)
        return None if row is None else row["id"]

    def was_given_up(self, kind: str, subject: str) -> bool:
        """Whether such a job failed, or a person cancelled it."""
        query = "SELECT 1 FROM jobs WHERE kind = ? AND subject = ? AND state IN ('failed', 'cancelled')"
        return self._database.row(query, kind, subject) is not None

    @property
    def running(self) -> int | None:
        """The heavy job that runs now."""
        return self._running.get(False)

    def read_log(self, number: int, *, max_bytes: int) -> JobLog:
        """The end of what a job printed."""
        self.find(number)
        try:
            with self._log(number).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - max_bytes, 0))
                content = file.read()
        except FileNotFoundError:
            return JobLog(text="", is_cut=False)
        return JobLog(text=content.decode(errors="replace"), is_cut=size > max_bytes)

    def cancel(self, number: int) -> Job:
        """End a job, or take it out of the queue; one that has ended stays as it is."""
        job = self.find(number)
        with self._wake:
            update = "UPDATE jobs SET state = 'cancelled', ended_at = ? WHERE id = ? AND state = 'queued'"
            self._database.execute(update, _now(), number)
            if number in list(self._running.values()):
                self._cancelled.add(number)
            self._wake.notify_all()
        if job.state == "running":
            for _ in range(round(1 / _LOOK_SECONDS)):  # most commands end at once
                if self.find(number).state in _ENDED:
                    break
                time.sleep(_LOOK_SECONDS)
        job = self.find(number)
        self._changed(job)
        return job

    # --- the thread that runs them ----------------------------------------------------------------------------

    def _work(self, is_light: bool) -> None:
        while True:
            with self._wake:
                while not self._is_closing and (row := self._next(is_light)) is None:
                    self._wake.wait(1.0)
                if self._is_closing or row is None:
                    return
            self._running[is_light] = row["id"]  # before anybody reads that it runs, and cancels it
            try:
                self._run(row["id"], json.loads(row["words"]))
            except (OSError, sqlite3.Error) as error:  # such as a full disk: the next job may do better
                with contextlib.suppress(sqlite3.Error):
                    self._end(row["id"], "failed", None, f"could not be watched: {error}")
            finally:
                self._running.pop(is_light, None)

    def _next(self, is_light: bool) -> Any:
        """The first job that can run; those whose need failed are given up."""
        query = """SELECT jobs.*, needed.state AS needed_state
            FROM jobs LEFT JOIN jobs AS needed ON needed.id = jobs.needs
            WHERE jobs.state = 'queued' ORDER BY jobs.kind = 'quick', jobs.id"""
        for row in self._database.rows(query):
            if (row["kind"] in _LIGHT) != is_light:
                continue
            if row["needed_state"] in (None, "done"):
                return row
            if row["needed_state"] in _ENDED:
                why = f"job {row['needs']}, which it needs, is {row['needed_state']}"
                self._end(row["id"], "failed", None, why)
        return None

    def _run(self, number: int, words: Sequence[str]) -> None:
        started = "UPDATE jobs SET state = 'running', started_at = ? WHERE id = ? AND state = 'queued'"
        self._database.execute(started, _now(), number)
        if self.find(number).state != "running":
            return  # cancelled at the last moment
        module, arguments = ("egoact", words[1:]) if words[0] == "egoact" else (words[2], words[3:])
        with self._log(number).open("wb") as log:
            try:
                process = subprocess.Popen(
                    [sys.executable, "-m", "egoact.studio.work.worker", module, *arguments],
                    cwd=self._project,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self._end(number, "failed", None, f"cannot be started: {error.strerror}")
                return
        self._changed(self.find(number))
        line = self._watch(number, process)
        code = process.returncode
        state = "done" if code == 0 else "failed"
        if number in self._cancelled:
            state = "cancelled"
        elif self._is_closing and code:
            state, line = "interrupted", _ENDED_FIRST
        self._end(number, state, code, line)

    def _watch(self, number: int, process: subprocess.Popen[bytes]) -> str:
        """Read what it prints until it ends; gives the last line."""
        last, told, asked_at = "", 0.0, None
        with self._log(number).open("rb") as log:
            rest = b""
            while True:
                is_over = process.poll() is not None
                *lines, rest = (rest + log.read()).split(b"\n")
                for raw in [*lines, *([rest] if is_over and rest else [])]:
                    text = raw.decode(errors="replace").rpartition("\r")[2].strip()
                    last = last if not text or text.startswith("next: ") else text
                    if text and (progress := read_progress(text)) is not None:
                        self._progress[number] = progress
                if lines and time.monotonic() - told > _TELL_SECONDS:
                    told = time.monotonic()
                    self._database.execute("UPDATE jobs SET last_line = ? WHERE id = ?", last[:2000], number)
                    self._changed(self.find(number))
                if is_over:
                    return last[:2000]
                if number in self._cancelled or self._is_closing:
                    asked_at = self._ask_to_end(process, asked_at)
                with self._wake:
                    self._wake.wait(_LOOK_SECONDS)

    def _ask_to_end(self, process: subprocess.Popen[bytes], asked_at: float | None) -> float:
        """As Ctrl-C does at first, and after a while without asking."""
        now = time.monotonic()
        if asked_at is not None and now - asked_at <= (2.0 if self._is_closing else _PATIENCE_SECONDS):
            return asked_at
        which = signal.SIGINT if asked_at is None else getattr(signal, "SIGKILL", signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, which)
            else:
                process.terminate()
        return now if asked_at is None else asked_at

    def _end(self, number: int, state: str, code: int | None, line: str) -> None:
        update = "UPDATE jobs SET state = ?, exit_code = ?, ended_at = ?, last_line = ? WHERE id = ?"
        self._database.execute(update, state, code, _now(), line, number)
        self._progress.pop(number, None)
        self._changed(self.find(number))

    def _log(self, number: int) -> Path:
        return self._logs / f"{number}.log"

    def _describe(self, row: Any) -> Job:
        words = shlex.join(json.loads(row["words"]))
        return Job(**dict(row), command_line=words, progress=self._progress.get(row["id"]))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

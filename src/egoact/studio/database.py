"""The studio's own state in SQLite: what is committed is on the medium, whatever kills the process.

Labels are here, too, with their versions and the journal of edits; `labels/*.csv` is written from them.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError

_VERSION = 2
_FROM_1 = "UPDATE label_files SET text = CAST(text AS BLOB), previous_text = CAST(previous_text AS BLOB);"
_TABLES = """
CREATE TABLE segments (
    annotator TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, is_deleted INTEGER NOT NULL,
    recording_id TEXT NOT NULL, start_us INTEGER NOT NULL, stop_us INTEGER NOT NULL, verb TEXT, noun TEXT, hand TEXT,
    note TEXT NOT NULL, others TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (annotator, id));
CREATE INDEX segments_by_revision ON segments (annotator, revision);
CREATE INDEX segments_by_recording ON segments (recording_id);
CREATE TABLE journal (
    revision INTEGER PRIMARY KEY AUTOINCREMENT, annotator TEXT NOT NULL, at TEXT NOT NULL, request_id TEXT,
    edits TEXT NOT NULL, answer TEXT NOT NULL, UNIQUE (annotator, request_id));
CREATE TABLE label_files (
    annotator TEXT PRIMARY KEY, text BLOB NOT NULL, previous_text BLOB NOT NULL, columns TEXT NOT NULL,
    unread TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE classes (target TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (target, name));
CREATE TABLE recordings (
    id TEXT PRIMARY KEY, participant_id TEXT, recorded_on TEXT, note TEXT NOT NULL DEFAULT '',
    is_labelled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE probes (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, facts TEXT NOT NULL);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
    words TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, exit_code INTEGER,
    last_line TEXT NOT NULL DEFAULT '', needs INTEGER, subject TEXT);
CREATE TABLE decisions (
    run TEXT NOT NULL, recording_id TEXT NOT NULL, proposal_id TEXT NOT NULL, decision TEXT NOT NULL,
    annotator TEXT NOT NULL, segment_id TEXT, PRIMARY KEY (run, recording_id, proposal_id));
"""


class Database:
    """One connection, one thread at a time; an `ArtifactError` for what is no database, or of a later version."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # a commit returns when it is on the medium
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version < _VERSION:
                steps = _TABLES if version == 0 else _FROM_1
                self._connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise ArtifactError(f"the studio's state cannot be read ({error})", path=path) from None
        if version > _VERSION:
            raise ArtifactError(f"written by a later egoact (version {version}, this one reads {_VERSION})", path=path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside, by this thread, is committed together or, after an error, not at all."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def execute(self, statement: str, *values: Any) -> int:
        """Do one statement; gives the row id of what it inserted."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
            return row

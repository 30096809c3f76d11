"""`egoact studio` as a command: what is wrong is one line, and what is right is served."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.studio.database import Database
from tests.makers.machines.places import ROOT
from tests.makers.machines.studio import Client


def fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["studio", *words, "--no-browser"])
    told = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and told.startswith("egoact: ") and "\n" not in told
    return told


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], busy: int) -> None:
    folder = str(tmp_path / "project")
    assert "give another --port" in fails([folder, "--port", str(busy)], capsys)
    assert "--port must be" in fails([folder, "--port", "70000"], capsys)
    assert "--max-upload-gigabytes" in fails([folder, "--max-upload-gigabytes", "0"], capsys)
    assert "no address" in fails([folder, "--host", "no.such.host.invalid", "--port", "0"], capsys)
    assert not Path(folder).exists()
    assert "no such folder of recordings" in fails([folder, "--media", str(tmp_path / "no"), "--port", "0"], capsys)
    (tmp_path / "file").write_text("")
    assert "cannot make a project here" in fails([str(tmp_path / "file"), "--port", "0"], capsys)


def test_a_state_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "studio").mkdir()
    state = tmp_path / "studio" / "state.sqlite"
    state.write_bytes(b"this is no database, and never was one" * 100)
    assert "cannot be read" in fails([str(tmp_path), "--port", "0"], capsys)
    state.unlink()
    Database(state).close()
    with sqlite3.connect(state) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "later egoact" in fails([str(tmp_path), "--port", "0"], capsys)


def test_commits_wait_for_the_medium(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.sqlite")
    assert database.rows("PRAGMA synchronous")[0][0] == 2 and database.rows("PRAGMA journal_mode")[0][0] == "wal"
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.execute("INSERT INTO classes VALUES ('verb', 'open')")
        raise ZeroDivisionError
    assert database.rows("SELECT * FROM classes") == []
    database.close()


def test_labels_of_an_earlier_version_are_bytes_from_now_on(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.sqlite")
    database.execute("INSERT INTO label_files VALUES ('ana', 'text', 'before', '[]', '[]', 1)")
    database.execute("PRAGMA user_version = 1")
    database.close()
    database = Database(tmp_path / "state.sqlite")
    row = database.row("SELECT text, previous_text FROM label_files")
    assert row is not None and tuple(row) == (b"text", b"before")
    database.close()


def test_a_server_with_a_token_says_where_it_is_and_ends_when_told(tmp_path: Path) -> None:
    """On an address that is no name of loopback, though nobody else can reach it."""
    host = "127.0.0.2"
    try:
        socket.create_server((host, 0)).close()
    except OSError:
        pytest.skip(f"{host} cannot be listened on here")
    words = [sys.executable, "-m", "egoact", "studio", str(tmp_path), "--host", host, "--port", "0", "--no-browser"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[^:/]+:(\d+)/\?token=(\S+) ", line)
            assert found is not None, line
            client = Client(int(found[1]), host)
            assert client.get("/api/project").status == 401
            assert client.get("/api/project", headers={"authorization": f"Bearer {found[2]}"}).status == 200
            assert client.get(f"/?token={found[2]}").status == 303
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()

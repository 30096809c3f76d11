"""What is shown while somebody waits."""

import io
import sys
import threading

import pytest

from egoact.core import progress
from egoact.core.progress import Progress, other_display, working


class Terminal(io.StringIO):
    """A terminal that keeps all it was sent."""

    def isatty(self) -> bool:
        return True

    def new(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Not a fixture: pytest gives tests other streams than fixtures."""
    made = Terminal()
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(sys, "stdout", made)
    return made


def test_on_a_terminal_the_innermost_work_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with working("extract: working"):
        assert "extract: working" in terminal.new()
        with working("loading the network"):
            print("a warning")
            progress._LINE._shown.refresh()
            shown = terminal.new()
            assert "loading the network" in shown and "a warning\n" in shown
        progress._LINE._shown.refresh()
        assert "extract: working" in terminal.new()
    assert terminal.new().endswith("\x1b[2K"), "the line is wiped away"
    assert progress._LINE._shown is None


@pytest.mark.parametrize("display", [lambda: Progress("train", total=2, unit="epochs"), other_display])
def test_nothing_else_draws_beside_a_bar(monkeypatch: pytest.MonkeyPatch, display) -> None:
    as_terminal(monkeypatch)
    with working("train: working"):
        with display():
            assert progress._LINE._shown is None
        assert progress._LINE._shown is not None
    assert progress._LINE._shown is None


def test_an_error_ends_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    with pytest.raises(ValueError), working("train: working"):
        raise ValueError
    assert progress._LINE._shown is None


def test_a_bar_of_unknown_length_is_full_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with Progress("copy", total=None, unit="frames") as shown:
        shown.advance(7)
        terminal.new()
    assert "7/7" in terminal.new()


@pytest.mark.parametrize(("is_told", "lines"), [(True, ["export: writing graphs ..."]), (False, [])])
def test_elsewhere_it_is_one_line_where_it_takes_long(
    is_told: bool, lines: list[str], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers = []

    class AtOnce(threading.Timer):
        def start(self) -> None:
            timers.append(self.interval)
            self.function()

    monkeypatch.setattr(progress.threading, "Timer", AtOnce)
    with working("export: writing graphs", is_told=is_told):
        pass
    assert capsys.readouterr().err.splitlines() == lines
    assert timers == [progress.SILENT_SECONDS] * is_told


def test_what_is_quick_says_nothing_elsewhere(capsys: pytest.CaptureFixture) -> None:
    with working("export: writing graphs"):
        pass
    assert capsys.readouterr().err == ""

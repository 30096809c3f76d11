"""The program as a shell sees it: help, exit codes, one line for what is wrong."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from egoact.cli import COMMANDS, _wrapped, main
from egoact.kitchen.make import plan_recordings
from tests.makers.machines.places import ROOT


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = "import sys; from egoact.cli import main\ntry: main(['--help'])\nexcept SystemExit as s: assert not s.code\n"
    code += "heavy = {'torch', 'tyro', 'numpy', 'av', 'cv2', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_importing_the_package_is_instant_and_complete() -> None:
    code = "import sys, egoact; assert not {'torch', 'numpy'} & set(sys.modules)\n"
    code += "for name in egoact.__all__: getattr(egoact, name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, name, "--help")
    assert code == 0
    assert f"egoact {name}" in out


def test_help_fits_the_terminal_in_groups_with_the_defaults_that_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call(capsys, "train", "--help")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith(":") and line[0] != " "] == [
        "data:", "model:", "training:", "machine:",
    ]  # fmt: skip
    assert "  --epochs NUMBER         Passes over the training clips. (default: 60)" in lines
    assert "None" not in out and "  --joint" in out and "--no-joint" not in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_commands_and_flags_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--completion", shell)
    assert code == 0
    assert all(name in out for name in COMMANDS) and "validation-videos" in out
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", "-c", out], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "no command 'fly'"),
        (["extrct"], "did you mean extract?"),
        (["compress", "--media", "x"], "--run and --out missing"),
        (["predict"], "give a video"),
        (["explain"], "filters or clip"),
        (["train", "--feature", "x"], "there is no --feature; did you mean --features?"),
        (["train", "--segments", "x", "--loss", "foccal"], "--loss must be cross_entropy, focal, balanced_softmax or"),
        (["live", "--rate", "fast"], "--rate must be a number, got 'fast'"),
        (["explain", "clip", "--seed", "1.5"], "--seed must be a whole number, got '1.5'"),
        (["predict", "a", "more", "--run", "r", "--out", "o"], "more"),
        (["--completion", "dos"], "bash, zsh or fish"),
        (["train", "--segments", "x"], "--features"),
        (["train", "--segments", "x", "--features", "y", "--run", "z", "--epochs", "0"], "epochs must be at least 1"),
        (["train", "--segments", "x", "--features", "y", "--run", "z", "--colour", "red"], "--colour"),
        (["train", "--segments", "x", "--features", "y", "--run", "z", "--head", "brain"], "unknown head 'brain'"),
        (["evaluate", "--segments", "nowhere.csv", "--out", "o", "--scores", "s.npz"], "nowhere.csv"),
        (["evaluate", "--segments", "nowhere.csv", "--out", "o"], "--scores"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_every_step_says_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for recording in plan_recordings(num_videos=2, seed=0, segments_per_video=1):
        path = recording.path(tmp_path / "my kitchen")  # what is there is not rendered
        path.parent.mkdir(parents=True)
        path.touch()
    code, _, err = call(capsys, "kitchen", "--out", str(tmp_path / "my kitchen"), "--videos", "2")
    made = f"'{tmp_path}/my kitchen'"
    assert code == 0
    assert err.splitlines()[-1] == (
        f"next: egoact extract --segments {made}/train.csv --media {made}/videos --features features"
    )


@pytest.mark.parametrize(
    ("words", "joint", "lines"),
    [
        (["egoact:", *["word"] * 17, "x" * 90], "\n", ["egoact:" + " word" * 14, "word word word", "x" * 90]),
        (
            ["next:", *["--flag"] * 11, "'a b'", "c"],
            " \\\n    ",
            ["next:" + " --flag" * 10 + " \\", "    --flag 'a b' c"],
        ),
    ],
)
def test_a_terminal_is_given_lines_that_cut_no_word(
    words: list[str], joint: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "\n" not in _wrapped(words, joint)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert _wrapped(words, joint).splitlines() == lines


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "evaluate", "--segments", "nowhere.csv", "--out", "o", "--scores", "s.npz", "--debug")
    assert code == 2
    assert "Traceback" in err


@pytest.mark.parametrize("background", [False, True])
def test_sigterm_is_as_polite_as_ctrl_c(
    background: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(settings: object) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr("egoact.commands.data.verify.verify", work)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    if background:  # a shell has what it runs in the background ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code, _, err = call(capsys, "verify", "--features", "features")
    finally:
        signal.signal(signal.SIGINT, before[1])
    assert (code, err) == (130, "egoact: stopped; the same command goes on from here\n")
    assert signal.getsignal(signal.SIGTERM) == before[0]


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys)
    assert code == 2
    assert "usage" in out


def test_settings_come_without_anything_heavy() -> None:
    """So that `--help` and a mistyped flag are answered at once."""
    code = (
        "import sys\n"
        "from pkgutil import resolve_name\n"
        "from egoact.cli import COMMANDS\n"
        "print([resolve_name(command.settings) for command in COMMANDS.values()] and\n"
        "      {'torch', 'numpy', 'pandas', 'av', 'cv2', 'matplotlib', 'lightning'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_commands_in_the_documents_parse() -> None:
    """Every `egoact ...` line of README and docs has flags that exist, with values of the right kind."""
    import shlex
    from pkgutil import resolve_name

    import tyro

    root = ROOT
    lines = [
        line.partition("&& .venv/bin/")[2] or line
        for document in (root / "README.md", *sorted((root / "docs").glob("*.md")))
        for line in document.read_text(encoding="utf-8").splitlines()
    ]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("egoact ")]
    assert len(commands) > 5
    for words in commands:
        settings = resolve_name(COMMANDS[words[1]].settings)
        assert tyro.cli(settings, args=words[2:]) is not None

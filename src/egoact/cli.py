"""The program `egoact`: one dict of commands. Nothing heavy is imported before a command is chosen."""

import contextlib
import io
import re
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from egoact.core.errors import InputError


@dataclass(frozen=True)
class Command:
    """A verb of the command line.

    Args:
        summary: One line for `egoact --help`.
        settings: "module:dataclass" of its flags.
        stage: "module:function" that does it; gives how many inputs failed.
        report: "module:function" that draws what the stage wrote, or None.
    """

    summary: str
    settings: str
    stage: str
    report: str | None = None


def _command(name: str, summary: str, *, report: str | None = None) -> Command:
    module = f"egoact.commands.{name}"
    return Command(summary, f"{module}:{name.title()}Settings", f"{module}:{name}", report)


COMMANDS: dict[str, Command] = {
    "demo": _command("demo", "the whole story on the built-in kitchen", report="egoact.report.demo.page:write_report"),
    "kitchen": _command("kitchen", "make the built-in kitchen's videos and labels"),
    "stats": _command("stats", "class distributions and durations", report="egoact.report.stats:write_report"),
    "extract": _command("extract", "videos to features, once"),
    "flow": _command("flow", "optical flow of recordings or pictures", report="egoact.report.flow:write_pictures"),
    "verify": _command("verify", "check a feature store"),
    "train": _command("train", "features and labels to a run directory"),
    "tune": _command("tune", "search for the best settings of train", report="egoact.report.tuning:write_report"),
    "evaluate": _command("evaluate", "a run against labels", report="egoact.report.evaluation.page:write_report"),
    "compare": _command("compare", "several models in one table", report="egoact.report.comparison:write_report"),
    "explain": _command(
        "explain",
        "what a kernel looks for (filters), where and when a run looks (clip)",
        report="egoact.report.explain_filters:write_report",
    ),
    "predict": _command("predict", "recordings to timelines", report="egoact.report.timeline:write_report"),
    "export": _command("export", "a run as ONNX or OpenVINO graphs, proven on real clips"),
    "live": _command("live", "what happens now: a camera, a file in real time, a stream"),
    "bench": _command("bench", "measure this machine", report="egoact.report.bench:write_report"),
    "reproduce": _command(
        "reproduce",
        "the report's figures and tables, measured anew",
        report="egoact.report.reproduction.page:write_report",
    ),
    "submit": _command("submit", "the EPIC-KITCHENS challenge zip, written or checked"),
}

USAGE = """usage: egoact COMMAND [--flags]      egoact COMMAND --help

Recognise what a person does with their hands, from a camera they wear.

{commands}

Every command takes --debug, which shows the traceback of an error. See also: egoact --version
"""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 some inputs failed, 2 wrong usage or bad input, 130 stopped by Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if not given or given[0] in ("-h", "--help", "help"):
        lines = "\n".join(f"  {name:<10} {command.summary}" for name, command in COMMANDS.items())
        print(USAGE.format(commands=lines))
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        from egoact import __version__

        print(f"egoact {__version__}")
        sys.exit(0)
    if given[0] not in COMMANDS:
        _fail(f"there is no command {given[0]!r}; there are {', '.join(COMMANDS)}")
    sys.exit(_run(COMMANDS[given[0]], given[0], given[1:], debug=debug))


def _parse(settings: type, name: str, arguments: list[str]) -> Any:
    """Flags to settings; what is wrong with them becomes one line instead of a box."""
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(settings, prog=f"egoact {name}", args=arguments)
    except SystemExit as stop:
        if stop.code:
            text = _one_line(re.sub("[╭╮╰╯│─]+", " ", complaint.getvalue()))
            _fail(re.sub(r"^((Parsing|Value) error|Error parsing \w+:) ", "", text).replace(" (required)", ""))
        raise


def _run(command: Command, name: str, arguments: list[str], *, debug: bool) -> int:
    try:
        settings = _parse(_load(command.settings), name, arguments)
        failed = _load(command.stage)(settings)
        if command.report is not None:
            _load(command.report)(settings)
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        print("egoact: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (InputError, ValueError, OSError) as error:
        if debug:
            traceback.print_exc()
        _fail(_one_line(error))
    return 1 if failed else 0


def _one_line(error: BaseException | str) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _fail(reason: str) -> None:
    print(f"egoact: {reason}", file=sys.stderr)
    sys.exit(2)


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)

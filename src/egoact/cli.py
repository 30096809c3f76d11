"""The program `egoact`: one dict of commands. Nothing heavy is imported before a command is chosen."""

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

from egoact.commands import GROUPS, command_module
from egoact.core.bounds import clear_line
from egoact.core.collecting import collect_rarely
from egoact.core.errors import InputError
from egoact.core.progress import working
from egoact.core.stopping import STOPPED_CODE, say_stopped, stops_kept, take_stops
from egoact.help_text import complaint, did_you_mean, help_text, subcommands


@dataclass(frozen=True)
class Command:
    """A verb of the command line; what does it is named as "module:name"."""

    summary: str  # one line for `egoact --help`
    settings: str  # dataclass of its flags
    stage: str  # function; gives how many inputs failed
    report: str | None  # function that draws what the stage wrote


def _command(name: str, summary: str, *, report: str | None = None) -> tuple[str, Command]:
    module, function = command_module(name), name.replace("-", "_")
    settings = f"{name.title().replace('-', '')}Settings"
    drawing = None if report is None else f"egoact.report.{report}:write_report"
    return name, Command(summary, f"{module}:{settings}", f"{module}:{function}", drawing)


COMMANDS: dict[str, Command] = dict(
    [
        _command("demo", "the whole story on the built-in kitchen", report="demo.page"),
        _command("studio", "all of it in the browser: label, train, correct, for people who do not type"),
        _command("kitchen", "make the built-in kitchen's videos and labels"),
        _command("stats", "labels or timelines in numbers", report="stats"),
        _command("convert", "annotations of other tools to ours, and back"),
        _command("import-dataset", "labels and splits of a data set of the field, from its own files"),
        _command("extract", "videos to features, once"),
        _command("flow", "optical flow of recordings or pictures", report="flow"),
        _command("import-features", "features and labels that others made, to a store"),
        _command("import-encoder", "a published checkpoint of a video encoder, to weights for extract"),
        _command("verify", "check a feature store"),
        _command("blur", "a recording without faces, and without what you hide, to be shown to others"),
        _command("train", "features and labels to a run directory"),
        _command("train-timeline", "features of whole recordings and labels to a run that finds actions in recordings"),
        _command("learning-curve", "how much must be labelled, by trainings on growing numbers of recordings"),
        _command("tune", "search for the best settings of train", report="tuning"),
        _command("tune-timeline", "search for the best settings of train-timeline", report="tuning"),
        _command("finetune", "the last blocks of a run's backbone learn, too"),
        _command("compress", "a run's backbone made smaller, without labels"),
        _command("systems", "two streams, attention, the report's models: ready to run on any labels"),
        _command("evaluate", "a run against labels", report="evaluation.page"),
        _command("compare", "several models, or two timelines", report="comparison"),
        _command("explain", "what a kernel looks for (filters), where and when a run looks (clip)", report="explain"),
        _command("predict", "recordings to timelines", report="timelines.timeline"),
        _command("live", "what happens now: a camera, a file in real time, a stream"),
        _command("export", "a run as graphs for devices, or as a page for browsers, proven on real clips"),
        _command("serve-web", "the page of an export for browsers, on this machine"),
        _command("hub", "runs on the Hugging Face hub: push one, pull one"),
        _command("bench", "measure this machine", report="bench"),
        _command("reproduce", "the report's figures and tables, measured anew", report="reproduction.page"),
        _command("baselines", "what labels alone achieve in EPIC-KITCHENS' tasks"),
        _command("submit", "the EPIC-KITCHENS challenge zip, written or checked"),
    ]
)

FOLLOWING = {
    "kitchen": "egoact extract --segments {out}/train.csv --media {out}/videos --features features",
    "import-dataset": "egoact extract --segments {out}/segments.csv --media RECORDINGS --features features",
    "extract": "egoact train --segments {segments} --features {features} --run run",
    "import-features": "egoact train-timeline --segments LABELS.csv --features {out} --run run",
    "train": "egoact evaluate --run {first_run} --segments LABELS.csv --features {features} --out results\n"
    "or, of whole recordings: egoact train-timeline --segments {segments} --features {features} --run timeline_run",
    "train-timeline": "egoact predict VIDEO --run {run} --out timeline",
    "finetune": "egoact extract --weights {out}/backbone.safetensors --segments LABELS.csv --media {media} "
    "--features FEATURES",
    "compress": "egoact extract --weights {out}/backbone.safetensors --media FOLDER --features FEATURES",
}
"""Command -> what people mostly do next, with fields of its settings in braces."""

HEADINGS = {
    "start": "Start here",
    "data": "Recordings, labels, features",
    "learning": "Learning",
    "using": "With a run",
    "measuring": "Measuring",
}
"""Group of commands -> what help calls it."""

EXTRAS = {"cv2": "opencv", "huggingface_hub": "hub", "openvino": "openvino"} | dict.fromkeys(
    ["lightning", "matplotlib", "pandas", "pyarrow", "safetensors", "timm", "torch", "torchvision"],
    "train",
)
"""Module -> the extra that brings it, of those that an installation which only runs exports does without."""

USAGE = """usage: egoact COMMAND [--flags]      egoact COMMAND --help

Recognise what a person does with their hands, from a camera they wear.

{commands}

Every command takes --debug, which shows the traceback of an error. See also: egoact --version, and
egoact --completion bash (or zsh, fish), which prints what the shell needs to complete commands and flags.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 some inputs failed, 2 bad usage or input, 130 stopped (Ctrl-C, SIGTERM)."""
    collect_rarely()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if not given or given[0] in ("-h", "--help", "help"):
        _show(USAGE.format(commands=_groups()))
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        from egoact import __version__

        print(f"egoact {__version__}")
        sys.exit(0)
    if given[0] == "--completion":
        _show(_completion(given[1:]))
        sys.exit(0)
    if given[0] not in COMMANDS:
        hint = did_you_mean(given[0], COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        _fail(f"there is no command {given[0]!r}{hint}")
    leave_stops = take_stops()
    try:
        code = _run(COMMANDS[given[0]], given[0], given[1:], debug=debug)
    finally:
        leave_stops()
    sys.exit(code)


def _groups() -> str:
    width = max(map(len, COMMANDS))
    return "\n\n".join(
        "\n".join([f"{HEADINGS[group]}:", *(f"  {name:<{width}}  {COMMANDS[name].summary}" for name in names)])
        for group, names in GROUPS.items()
    )


def _parse(settings: Any, name: str, words: list[str]) -> Any:
    """Flags to settings; what is wrong with them becomes one line."""
    import tyro

    given = words
    if choices := subcommands(settings):
        if words[:1] in (["-h"], ["--help"]):
            _show("\n\n\n".join(_help(f"{name} {choice}", kind) for choice, kind in choices.items()))
            sys.exit(0)
        if not words or words[0] not in choices:
            _fail(f"egoact {name} {' or '.join(choices)}: which of them? See egoact {name} --help")
        name, kind, words = f"{name} {words[0]}", choices[words[0]], words[1:]
    else:
        kind = settings
    if "-h" in words or "--help" in words:
        _show(_help(name, kind))
        sys.exit(0)
    if wrong := complaint(kind, words):
        _fail(f"{wrong} (egoact {name} --help)")
    told, columns = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"  # so that no box cuts a word
    try:
        with working(f"{name}: working", is_told=False), contextlib.redirect_stderr(told):
            return tyro.cli(settings, prog=f"egoact {name}", args=given)
    except SystemExit as stop:
        if stop.code:
            text = clear_line(re.sub("[╭╮╰╯│─]+", " ", told.getvalue())).partition(" For full helptext")[0]
            text = re.sub(
                r"^((Parsing error|Value error|Unrecognized options(?=.*:)|Error parsing [^:]+:) )+", "", text
            )
            _fail(f"{text} (egoact {name} --help)")
        raise
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns


def _help(name: str, settings: type) -> str:
    from egoact.training.recipes import RECIPES
    from egoact.training.segmentation.recipe import SegmenterRecipe

    recipes = {"train": RECIPES["default"], "train-timeline": SegmenterRecipe()}
    return help_text(name, settings, default_recipe=recipes.get(name))


def _completion(words: list[str]) -> str:
    """A script for a shell, by shtab."""
    from typing import Annotated, Union

    import tyro

    if len(words) != 1 or words[0] not in ("bash", "zsh", "fish"):
        _fail("--completion needs the name of a shell: bash, zsh or fish")
    parts = [
        Annotated[resolve_name(command.settings), tyro.conf.subcommand(name, description=command.summary)]  # pyrefly: ignore[invalid-annotation]
        for name, command in COMMANDS.items()
    ]
    script = io.StringIO()
    with contextlib.redirect_stdout(script), contextlib.suppress(SystemExit):
        every: Any = Union[tuple(parts)]  # pyrefly: ignore[invalid-annotation]  # noqa: UP007
        tyro.cli(every, prog="egoact", args=["--tyro-print-completion", words[0]])
    return script.getvalue()


def _show(text: str) -> None:
    """Print, to whoever may stop reading: less, head."""
    try:
        print(text.rstrip("\n"), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(command: Command, name: str, arguments: list[str], *, debug: bool) -> int:
    try:
        settings = _parse(resolve_name(command.settings), name, arguments)
        with working(f"{name}: working", is_told=False), stops_kept():
            failed = resolve_name(command.stage)(settings)
            if command.report is not None:
                resolve_name(command.report)(settings)
        if name in FOLLOWING and not failed:
            for line in f"next: {_fill(FOLLOWING[name], settings)}".splitlines():
                words = re.findall(r"(?:'[^']*'|\S)+", line)  # what a shell needs in quotes is one word
                print(_wrapped(words, " \\\n    "), file=sys.stderr)
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        say_stopped()
        return STOPPED_CODE
    except (InputError, ValueError, OSError) as error:
        if debug:
            traceback.print_exc()
        _fail(clear_line(str(error)) or type(error).__name__)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if debug or module not in EXTRAS:
            raise
        _fail(f"this needs {module}, which is not installed here: pip install 'egoact[{EXTRAS[module]}]'")
    return 1 if failed else 0


def _fill(text: str, settings: Any) -> str:
    """Fields of settings in a command line."""
    from egoact.store.remote import as_url

    def words(match: re.Match) -> str:
        value = getattr(settings, match[1])
        if value in (None, ()):
            return "LABELS.csv"
        values = value if isinstance(value, tuple) else (value,)
        return " ".join(shlex.quote(isinstance(each, Path) and as_url(each) or str(each)) for each in values)

    return re.sub(r"\{(\w+)\}", words, text)


def _fail(reason: str) -> NoReturn:
    print(_wrapped(["egoact:", *reason.split(" ")], "\n"), file=sys.stderr)
    sys.exit(2)


def _wrapped(words: list[str], joint: str) -> str:
    """Text for standard error; on a terminal in lines that cut no word, put together by `joint`."""
    if not sys.stderr.isatty():
        return " ".join(words)
    width = shutil.get_terminal_size().columns
    lines: list[str] = []
    for word in words:
        indent = len(joint.rpartition("\n")[2]) if len(lines) > 1 else 0
        if lines and len(lines[-1]) + 1 + len(word) <= width - indent - joint.index("\n"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return joint.join(lines)

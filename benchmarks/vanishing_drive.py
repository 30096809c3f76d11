"""Let the drive of a folder vanish, and the clock go back, while commands run: do they say so, and go on later?

    python benchmarks/vanishing_drive.py [--tries 5] [--only train predict]

The commands of `kills.py`. From a random call of the system on, every call on one of the folders that a command reads
or writes fails as it does when a network drive is gone (EIO, ESTALE, ENOTCONN), or every call that needs place as when
a quota is used up (EDQUOT). The command must end with 1 or 2 and a line, and not with a traceback or a signal. Then the
drive is there again, and the same command must make what it makes elsewhere. While calls are counted, the clock is set
back by an hour whenever a command looks at it: what it makes must be the same. Needs Linux and a C compiler.
"""

import ctypes
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from kills import COMMANDS, LOG, call, files_of, film, import_everything, out_of

ERRORS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EDQUOT)
FOREVER = 2**62


@dataclass(frozen=True)
class Settings:
    """How often, and what."""

    tries: int = 5
    """Of each command."""
    seed: int = 0
    """Of the moments."""
    only: tuple[str, ...] = ()
    """Some of the commands; the others are only run, where these need them."""


def main(settings: Settings) -> int:
    drive = ctypes.CDLL(os.environ["LD_PRELOAD"])
    drive.vanish.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int)
    drive.num_calls.restype = ctypes.c_long
    chosen, moments, wrong = settings.only or tuple(COMMANDS), random.Random(settings.seed), 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        film(folder)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        import_everything()
        print(
            "| command | calls | tries | clear lines | ended well all the same | wrong |\n|---|---|---|---|---|---|",
            flush=True,
        )
        for name in COMMANDS:
            assert call(name, folder) == 0, (folder / LOG).read_text()
            if name in chosen:
                wrong += _try(name, folder, drive, settings.tries, moments)
            if name == [each for each in COMMANDS if each in chosen][-1]:
                break
    return 1 if wrong else 0


def _try(name: str, folder: Path, drive: ctypes.CDLL, tries: int, moments: random.Random) -> int:
    """All tries of a command; gives how many went wrong."""
    out = folder / out_of(name)
    wanted = files_of(out)
    num_calls: dict[tuple[Path, bool], int] = {}
    counts, wrong = {"clear": 0, "well": 0}, []
    for number in range(tries):
        gone, error = folder / moments.choice(_folders_of(name, folder)), ERRORS[number % len(ERRORS)]
        only_writes = error == errno.EDQUOT
        if (gone, only_writes) not in num_calls:
            shutil.rmtree(out, ignore_errors=True)
            drive.vanish(str(gone).encode(), FOREVER, 0, only_writes)
            drive.turn_back(1)
            code = call(name, folder)
            drive.turn_back(0)
            num_calls[gone, only_writes] = max(drive.num_calls(), 1)
            drive.vanish(b"", FOREVER, 0, 0)
            if code != 0 or files_of(out) != wanted:
                wrong.append(f"clock: ended with {code}, or other files: {(folder / LOG).read_text()[-1500:]}")
        shutil.rmtree(out, ignore_errors=True)
        drive.vanish(str(gone).encode(), moments.randrange(num_calls[gone, only_writes]), error, only_writes)
        code = call(name, folder)
        drive.vanish(b"", FOREVER, 0, 0)
        said, way = (folder / LOG).read_text().strip(), f"{gone.name}, {errno.errorcode[error]}"
        if code == 0 and files_of(out) == wanted:
            counts["well"] += 1
        elif code in (1, 2) and "Traceback" not in said and len(said.splitlines()[-1]) < 1300:
            counts["clear"] += 1
        else:
            wrong.append(f"{way}: ended with {code}: {said[-1500:]}")
        if (code := call(name, folder)) != 0 or files_of(out) != wanted:
            wrong.append(f"{way}: later ended with {code}, or other files: {(folder / LOG).read_text()[-300:]}")
    print(f"| {name} | {sum(num_calls.values())} | {tries} | {counts['clear']} | {counts['well']} | {len(wrong)} |")
    for each in wrong:
        print(f"  {name}: {each}")
    sys.stdout.flush()
    return len(wrong)


def _folders_of(name: str, folder: Path) -> list[str]:
    """What a command reads and writes, as often as not the latter."""
    read = [word for word in COMMANDS[name] if (folder / word).is_dir() and word != out_of(name)]
    return [*read, *[out_of(name)] * max(len(read), 1)]


def _with_the_drive() -> None:
    """Begin anew, with the C library's calls replaced."""
    with tempfile.TemporaryDirectory() as place:
        library = Path(place, "drive.so")
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        done = subprocess.run([sys.executable, *sys.argv], env=os.environ | {"LD_PRELOAD": str(library)}, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    chosen = tyro.cli(Settings)
    if "LD_PRELOAD" not in os.environ:
        _with_the_drive()
    sys.exit(main(chosen))

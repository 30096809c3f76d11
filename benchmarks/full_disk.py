"""Let commands write into folders that are too small, or may not be written: do they say so in a line, and go on later?

    python benchmarks/full_disk.py [--sizes 6] [--recordings 6] [--seconds 12] [--only train predict]

The commands of `kills.py`, each into a file system in memory that has less and less place than it needs, and one that
may only be read; then once more with temporary files where there is no place. It must end with 1 or 2 and a line, and
not with a traceback or a signal. Then there is place, and the same command must make what it makes elsewhere.
Needs Linux, and to be root.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro
from kills import COMMANDS, LOG, call, files_of, film, import_everything, out_of

PLENTY = "512m"


@dataclass(frozen=True)
class Settings:
    """How small, and what."""

    sizes: int = 6
    """How many sizes, from nothing to nearly what it needs."""
    recordings: int = 6
    """That the commands work on, at least 2."""
    seconds: int = 12
    """Length of each, at least 4."""
    only: tuple[str, ...] = ()
    """Some of the commands; the others are only run, where these need them."""


def main(settings: Settings) -> int:
    chosen, wrong = settings.only or tuple(COMMANDS), 0
    last = [each for each in COMMANDS if each in chosen][-1]
    names = list(COMMANDS)[: list(COMMANDS).index(last) + 1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        film(folder, count=settings.recordings, seconds=settings.seconds)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        import_everything(chosen)
        print("| command | kB | tries | clear lines | ended well all the same | wrong |\n|---|---|---|---|---|---|")
        for name in names:
            assert call(name, folder) == 0, (folder / LOG).read_text()
            if name in chosen:
                wrong += _try(name, folder, settings.sizes)
    return 1 if wrong else 0


def _try(name: str, folder: Path, sizes: int) -> int:
    """All ways for a command; gives how many went wrong."""
    out = folder / out_of(name)
    wanted = files_of(out)
    needed = sum(path.stat().st_blocks * 512 for path in out.rglob("*"))
    shutil.rmtree(out)
    out.mkdir()
    counts, wrong = {"clear": 0, "well": 0}, []
    ways = [f"size={max(needed * number // sizes, 4096)}" for number in range(sizes)]
    for way in [*ways, "ro", "temporary"]:
        with _mounted(out, PLENTY if way in ("ro", "temporary") else way.removeprefix("size=")) as remount:
            if way == "ro":
                remount("ro")
            with _no_temporary_place(folder) if way == "temporary" else contextlib.nullcontext():
                code = call(name, folder)
            said = (folder / LOG).read_text().strip()
            is_clear = code in (1, 2) and "Traceback" not in said and len(said.splitlines()[-1]) < 1300
            if code == 0:
                counts["well"] += 1
            elif is_clear:
                counts["clear"] += 1
            else:
                wrong.append(f"{way}: ended with {code}: {said[-400:]}")
            remount(f"rw,size={PLENTY}")
            if (code := call(name, folder)) != 0 or files_of(out) != wanted:
                wrong.append(f"{way}: later ended with {code}, or other files: {(folder / LOG).read_text()[-300:]}")
    shutil.rmtree(out)
    assert call(name, folder) == 0
    print(
        f"| {name} | {needed // 1000} | {len(ways) + 2} | {counts['clear']} | {counts['well']} | {len(wrong)} |",
        flush=True,
    )
    for each in wrong:
        print(f"  {name}: {each}", flush=True)
    return len(wrong)


@contextlib.contextmanager
def _mounted(folder: Path, size: str) -> Iterator:
    def mount(options: str, *others: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, *others, "tmpfs", str(folder)], check=True)

    mount(f"size={size}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def _no_temporary_place(folder: Path) -> Iterator[None]:
    place = folder / "temporary"
    place.mkdir(exist_ok=True)
    with _mounted(place, "4096"):
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"], tempfile.tempdir = str(place), None
        try:
            yield
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before
            tempfile.tempdir = None


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))

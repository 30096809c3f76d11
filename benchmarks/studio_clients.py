"""Does the studio lose edits when many people work at once? How long do they wait?

    python benchmarks/studio_clients.py --folder /tmp/studio-clients --clients 50 --minutes 10

Five people share the labels of an annotator. Each adds, changes and deletes segments of their own, and changes one that
all five change; who was too late (409) takes what is there and tries again. Between edits they read what the pages
read: what others changed, lists, ranges of a video. One request in twenty is sent twice, as after a broken connection.
At the end the server is asked for everything, the CSVs are read, the server is killed (SIGKILL), started again, and
asked once more. Exits with 1 where an edit is lost or done twice. Needs the extra studio.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.segments import read_segments
from egoact.media.video.writer import write_video

TOGETHER = 5
MOST_OWN = 30
VERBS = ("take", "put", "open", "close", "wash", "cut", "stir", "pour")
Segments = dict[str, dict[str, Any]]


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """In a process of its own; its port."""
    words = [sys.executable, "-m", "egoact", "studio", str(folder), "--port", "0", "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found, "the server did not start"
        yield process, int(found[1])
    finally:
        process.terminate()
        process.wait()


@dataclass
class Person:
    """Somebody at a browser, with one connection; knows what the server confirmed to them."""

    number: int
    port: int
    known: Segments = field(default_factory=dict)
    num_shared: int = 0
    """Changes of the segment that all share."""
    waits: list[tuple[str, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.annotator = f"annotator {self.number // TOGETHER}"
        self.path = f"/api/labels/{self.annotator.replace(' ', '%20')}"
        self.random = random.Random(self.number)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of an answer, whose time is kept."""
        begin = time.perf_counter()
        content = None if body is None else json.dumps(body).encode()
        sent = {**({} if body is None else {"content-type": "application/json"}), **(headers or {})}
        self.connection.request(method, path, body=content, headers=sent)
        answer = self.connection.getresponse()
        told = answer.read()
        self.waits.append(("edits" if method == "POST" else "reads", time.perf_counter() - begin))
        self.answers[answer.status] += 1
        return answer.status, told

    def edit(self, edit: dict[str, Any]) -> tuple[int, Any]:
        """Send an edit, sometimes twice."""
        body = {"request_id": uuid.uuid4().hex, "edits": [edit]}
        status, told = self.ask("POST", f"{self.path}/edits", body)
        if self.random.random() < 0.05:
            again, told_again = self.ask("POST", f"{self.path}/edits", body)
            if (again, told_again) != (status, told) and status == 200:
                self.faults.append(f"the same request again: {again} {told_again[:200]!r}")
        return status, json.loads(told)

    def work(self, until: float, shared: str) -> None:
        """Edit and read until it is time to stop."""
        try:
            while time.monotonic() < until:
                self.random.choices((self.do_own, lambda: self.do_shared(shared), self.read), (5, 1, 4))[0]()
                time.sleep(self.random.uniform(0, 0.2))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.faults.append(f"{type(error).__name__}: {error}")

    def values(self) -> dict[str, Any]:
        """Of a segment somewhere."""
        start = round(self.random.uniform(0, 50), 3)
        stop = round(start + self.random.uniform(0.1, 5), 3)
        names = {"verb": self.random.choice(VERBS), "hand": self.random.choice(("left", "right", "both", None))}
        note = f"of {self.number}"
        return {"recording_id": "film", "start_seconds": start, "stop_seconds": stop, "note": note, **names}

    def do_own(self) -> None:
        """Add, change or delete a segment that nobody else touches."""
        own = self.random.choice(sorted(self.known)) if self.known else None
        if own is None or (len(self.known) < MOST_OWN and self.random.random() < 0.5):
            status, told = self.edit({"op": "add", "segment": self.values()})
        elif self.random.random() < 0.6:
            version = self.known[own]["version"]
            status, told = self.edit({"op": "change", "id": own, "version": version, "segment": self.values()})
        else:
            status, told = self.edit({"op": "delete", "id": own, "version": self.known[own]["version"]})
        if status != 200:
            self.faults.append(f"{status} {told}")
            return
        for segment in told["segments"]:
            self.known[segment["id"]] = segment
        for gone in told["deleted"]:
            del self.known[gone]

    def do_shared(self, identity: str) -> None:
        """Change the segment that all change, until it succeeds."""
        status, told = self.ask("GET", f"{self.path}?recording=film")
        version = next(s["version"] for s in json.loads(told)["segments"] if s["id"] == identity)
        while True:
            change = {"op": "change", "id": identity, "version": version, "segment": self.values()}
            status, answer = self.edit(change)
            if status == 200:
                self.num_shared += 1
                return
            if status != 409:
                self.faults.append(f"{status} {answer}")
                return
            version = answer["conflicts"][0]["current"]["version"]

    def read(self) -> None:
        """One of the things that pages read."""
        paths = ("/api/project", "/api/recordings", f"{self.path}/changes?since=0", "/api/recordings/film/frames")
        path = self.random.choice((*paths, "/api/recordings/film/video"))
        headers = {"range": f"bytes={self.random.randrange(1000)}-9000"} if path.endswith("video") else None
        status, told = self.ask("GET", path, headers=headers)
        if status not in (200, 206):
            self.faults.append(f"{path}: {status} {told[:200]!r}")


def labels(person: Person) -> Segments:
    """All segments of a person's annotator, as the server has them."""
    _, told = person.ask("GET", person.path)
    return {segment["id"]: segment for segment in json.loads(told)["segments"]}


def check(people: list[Person], shared: dict[str, str], *, when: str) -> list[str]:
    """What is not as it was confirmed, a line each."""
    lost = []
    for annotator, identity in shared.items():
        group = [one for one in people if one.annotator == annotator]
        there = labels(group[0])
        expected = {key: value for one in group for key, value in one.known.items()}
        changes = sum(one.num_shared for one in group)
        if there[identity]["version"] != 1 + changes:
            lost.append(f"{when}, {annotator}: version {there[identity]['version']} after {changes} shared changes")
        del there[identity]
        wrong = {key for key in there.keys() | expected.keys() if there.get(key) != expected.get(key)}
        lost += [f"{when}, {annotator}: {key}: {there.get(key)}, not {expected.get(key)}" for key in wrong]
    return lost


def check_files(folder: Path, people: list[Person], shared: dict[str, str]) -> list[str]:
    """Whether the CSVs have the same segments; they follow within a moment."""
    lost = []
    for annotator, identity in shared.items():
        expected = {identity} | {key for one in people if one.annotator == annotator for key in one.known}
        deadline = time.monotonic() + 60
        while True:
            found = {segment.narration_id for segment in read_segments(folder / "labels" / f"{annotator}.csv")}
            if found == expected:
                break
            if time.monotonic() > deadline:
                lost.append(f"labels/{annotator}.csv: {len(found ^ expected)} segments differ")
                break
            time.sleep(0.2)
    return lost


def begin(people: list[Person]) -> dict[str, str]:
    """An annotator for every five, and the segment that they share."""
    shared: dict[str, str] = {}
    for one in people:
        if one.annotator not in shared:
            one.ask("POST", "/api/annotators", {"name": one.annotator})
            _, told = one.edit({"op": "add", "segment": one.values()})
            shared[one.annotator] = told["segments"][0]["id"]
    return shared


def memory(process: subprocess.Popen[str]) -> str:
    """Resident memory of the server, where the system says it."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.is_file() else None
    return f"{int(found[1]) / 1024:.0f} MB" if found else "unknown"


def report(people: list[Person], seconds: float) -> None:
    for kind in ("edits", "reads"):
        waits = 1000 * np.array([wait for one in people for name, wait in one.waits if name == kind])
        median, slow = np.percentile(waits, [50, 95])
        rate = len(waits) / seconds
        print(
            f"{len(waits)} {kind}, {rate:.0f}/s: "
            f"median {median:.0f} ms, 95 % below {slow:.0f} ms, longest {waits.max():.0f} ms"
        )
    print(f"answers by status: {dict(sorted(sum((one.answers for one in people), Counter[int]()).items()))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    settings = parser.parse_args()
    folder: Path = settings.folder
    shutil.rmtree(folder / "labels", ignore_errors=True)
    shutil.rmtree(folder / "studio", ignore_errors=True)
    (folder / "recordings").mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 160, 3), dtype=np.uint8)
    write_video(folder / "recordings" / "film.mp4", noise, rate=1, width=160, height=90)
    with server(folder) as (process, port):
        people = [Person(number, port) for number in range(settings.clients)]
        shared = begin(people)
        memories = [memory(process)]
        end = time.monotonic() + 60 * settings.minutes
        threads = [threading.Thread(target=one.work, args=(end, shared[one.annotator])) for one in people]
        for thread in threads:
            thread.start()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 60))
            memories.append(memory(process))
        for thread in threads:
            thread.join()
        report(people, 60 * settings.minutes)
        print(f"memory of the server by the minute: {', '.join(memories)}; load {os.getloadavg()[0]:.1f}")
        lost = [fault for one in people for fault in one.faults]
        lost += check(people, shared, when="at the end") + check_files(folder, people, shared)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with server(folder) as (_, port):
        for one in people:
            one.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        lost += check(people, shared, when="after SIGKILL")
    edits = sum(len(one.known) for one in people)
    print(f"{edits} segments at the end; {len(lost)} things wrong")
    print("\n".join(lost[:20]))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

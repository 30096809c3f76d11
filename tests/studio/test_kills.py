"""A studio that is killed at any moment of a labelling session loses nothing but the edit under way."""

import http.client
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from egoact.core.annotations.segments import read_segments
from tests.makers.films.media import write_video
from tests.makers.machines.studio import Client, adding, in_a_process

NUM_KILLS = 10
GONE = (ConnectionError, http.client.HTTPException, TimeoutError)


class Annotator:
    """Adds, changes and deletes segments as fast as the server answers, and knows what was answered."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.under_way: tuple[str, dict[str, Any]] | None = None
        self._count = 0

    def work(self, client: Client) -> None:
        """Until the server is gone."""
        try:
            while True:
                self._count += 1
                self.under_way = (f"request-{self._count:06d}", self._next())
                self.finish(client)
        except GONE:
            pass

    def finish(self, client: Client) -> None:
        """Send what was not answered, perhaps once more."""
        if self.under_way is None:
            return
        request_id, edit = self.under_way
        answer = client.edit("ana", edit, request_id=request_id)
        assert answer.status == 200, answer.content
        for segment in answer.json["segments"]:
            self.known[segment["id"]] = segment
        for gone in answer.json["deleted"]:
            del self.known[gone]
        self.under_way = None

    def _next(self) -> dict[str, Any]:
        chosen = random.random()
        if self.known and chosen < 0.6:
            one = random.choice(list(self.known.values()))
            if chosen < 0.2:
                return {"op": "delete", "id": one["id"], "version": one["version"]}
            values = {key: value for key, value in one.items() if key not in ("id", "version")}
            return {
                "op": "change",
                "id": one["id"],
                "version": one["version"],
                "segment": values | {"note": f"note {self._count}"},
            }
        return adding("ana_1", self._count / 100, self._count / 100 + 0.5, random.choice(("open", "close")))


def labels(client: Client) -> dict[str, dict[str, Any]]:
    return {segment["id"]: segment for segment in client.get("/api/labels/ana").json["segments"]}


@pytest.mark.slow
def test_kills_lose_nothing_that_was_answered(tmp_path: Path) -> None:
    write_video(tmp_path / "recordings" / "ana_1.mp4", num_frames=5)
    annotator = Annotator()
    for kill in range(NUM_KILLS + 1):
        with in_a_process(tmp_path) as (client, process):
            if kill == 0:
                assert client.post("/api/annotators", {"name": "ana"}).status == 201
            there = labels(client)
            if annotator.under_way is None:
                assert there == annotator.known
            else:  # all of the others are as they were answered; the one under way was done, or not
                edit = annotator.under_way[1]
                touched = {edit["id"]} if "id" in edit else there.keys() - annotator.known.keys()
                assert len(touched) <= 1
                assert {k: v for k, v in there.items() if k not in touched} == {
                    k: v for k, v in annotator.known.items() if k not in touched
                }
                annotator.finish(client)
                assert labels(client) == annotator.known
            if kill == NUM_KILLS:
                break
            killer = threading.Timer(random.uniform(0.05, 0.8), process.kill)
            killer.start()
            annotator.work(client)
            killer.join()
            process.join()
        if (tmp_path / "labels" / "ana.csv").stat().st_size > 100:
            read_segments(tmp_path / "labels" / "ana.csv")  # whole, whenever it is looked at
    with in_a_process(tmp_path) as (client, process):
        assert labels(client) == annotator.known and len(annotator.known) > 3
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            in_file = {segment.narration_id for segment in read_segments(tmp_path / "labels" / "ana.csv")}
            if in_file == annotator.known.keys():
                break
            time.sleep(0.1)
        assert in_file == annotator.known.keys()  # and the file has caught up
        process.terminate()
        process.join(timeout=20)
        assert process.exitcode in (0, -signal.SIGTERM)

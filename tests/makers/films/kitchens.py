"""Recordings of the built-in kitchen, rendered once a test session, however many tests and workers ask for them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers.machines.once import made_once

MOST_VIDEOS = 5
FilmKitchen = Callable[[Path, int], None]


@pytest.fixture(scope="session")
def film_kitchen(tmp_path_factory: pytest.TempPathFactory) -> FilmKitchen:
    """Puts the recordings of `egoact kitchen --videos N` where it would; it then finds them, and adds labels."""

    def film(place: Path) -> None:
        from egoact.cli import main

        with pytest.raises(SystemExit) as stop:
            main(["kitchen", "--out", str(place), "--videos", str(MOST_VIDEOS), "--workers", "1"])
        assert not stop.value.code

    def copy(out: Path, num_videos: int) -> None:
        from egoact.kitchen.make import plan_recordings

        assert num_videos <= MOST_VIDEOS
        place = made_once(tmp_path_factory, "kitchen", film)
        # Where they are does not depend on how much happens in them.
        for recording in plan_recordings(num_videos=num_videos, seed=0, segments_per_video=1):
            path = recording.path(out)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(recording.path(place), path)

    return copy

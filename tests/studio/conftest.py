import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.makers.films.media import write_video
from tests.makers.machines.browser import Watched, chromium, watched
from tests.makers.machines.studio import Client, running


@pytest.fixture(scope="session")
def short_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with sound, to be copied."""
    return write_video(tmp_path_factory.mktemp("short") / "short.mp4", num_frames=60, rate=30, with_sound=True)


@pytest.fixture
def project(tmp_path: Path, short_video: Path) -> Path:
    """A folder with one recording of two seconds."""
    (tmp_path / "project" / "recordings").mkdir(parents=True)
    shutil.copyfile(short_video, tmp_path / "project" / "recordings" / "ana_1.mp4")
    return tmp_path / "project"


@pytest.fixture
def client(project: Path) -> Iterator[Client]:
    with running(project, max_upload_bytes=2_000_000) as client:
        yield client


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's chromium, driven by Playwright; one for all pages."""
    with chromium() as found:
        yield found


@pytest.fixture
def screen(browser: Any, studio: Client) -> Iterator[Watched]:
    """A page on the module's own studio."""
    with watched(browser, studio.port) as found:
        yield found

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers.media import write_video
from tests.makers.studio import Client, running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one recording of two seconds."""
    write_video(tmp_path / "project" / "recordings" / "ana_1.mp4", num_frames=60, rate=30, with_sound=True)
    return tmp_path / "project"


@pytest.fixture
def client(project: Path) -> Iterator[Client]:
    with running(project, max_upload_bytes=2_000_000) as client:
        yield client

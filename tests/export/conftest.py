"""A recording to prove exports on."""

from pathlib import Path

import pytest

from egoact.commands.using.export import ExportSettings
from tests.makers.data.extraction import make_video, write_segments


@pytest.fixture(scope="package")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "A_1.mp4", 1)
    write_segments(folder / "segments.csv", ["A_1"])
    return folder


def settings_for(recording: Path, run: Path, out: Path, **options: object) -> ExportSettings:
    values: dict[str, object] = {"segments": (recording / "segments.csv",), "media": (recording,), "clips": 2}
    return ExportSettings(run=run, out=out, **(values | options))  # type: ignore[arg-type]

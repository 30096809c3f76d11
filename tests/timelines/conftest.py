from pathlib import Path

import pytest

from tests.makers.data.recordings import train_run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, their features and a run that finds actions in recordings; tests leave them as they are."""
    folder = tmp_path_factory.mktemp("recordings")
    train_run(folder)
    return folder

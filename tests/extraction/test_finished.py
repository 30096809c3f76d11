"""Where nothing is missing nothing is loaded; where anything may be, everything is looked at as before."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.core.errors import ArtifactError
from egoact.extraction import networks
from egoact.store.reader import FeatureStore
from tests.makers.data.extraction import make_video, settings, write_segments


def settings_in(folder: Path) -> ExtractSettings:
    return settings(folder, exact=False, segments=(), streams=("rgb", "motion"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, a store that is finished, and what the machine remembers of it."""
    folder = tmp_path_factory.mktemp("finished")
    for number, video in enumerate(("P01_1", "P01_2")):
        make_video(folder / f"media/{video}.mp4", number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert extract(settings_in(folder)) == 0
    return folder


@pytest.fixture
def chosen(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExtractSettings:
    """A copy of the store that is finished."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return settings_in(tmp_path)


class LoadedError(Exception):
    """A network was loaded."""


@pytest.fixture
def no_network(chosen: ExtractSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise LoadedError

    monkeypatch.setattr(networks, "load_grids", load)


def test_nothing_is_loaded_where_nothing_is_missing(
    chosen: ExtractSettings, no_network: None, capsys: pytest.CaptureFixture
) -> None:
    write_segments(chosen.media / "labels.csv", ["P01_1"])
    for changes in (
        {},
        {"engine": "auto", "precision": "auto"},
        {"streams": ("rgb",)},
        {"streams": ("motion",)},
        {"segments": (chosen.media / "labels.csv",)},
    ):
        assert extract(replace(chosen, **changes)) == 0
        assert "all that is wanted is there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [{"rate": 9}, {"size": 96}, {"cut": 1}, {"engine": "openvino"}, {"precision": "bf16"}, {"streams": ("rgb", "grid")}]
    + [{"kind": "maps", "streams": ("rgb",)}, {"backbone": "mobilenet_v2"}, {"weights": Path("w.safetensors")}],
)
def test_other_settings_are_looked_at(chosen: ExtractSettings, no_network: None, changes: dict) -> None:
    with pytest.raises(LoadedError):
        extract(replace(chosen, **changes))


def test_a_new_recording_and_a_lost_shard_are_looked_at(chosen: ExtractSettings, no_network: None) -> None:
    new = make_video(chosen.media / "P01_3.mp4")
    with pytest.raises(LoadedError):
        extract(chosen)
    new.unlink()
    next((chosen.features / "shards").glob("P01_2*.npy")).unlink()
    with pytest.raises(LoadedError):
        extract(chosen)


def test_a_lost_shard_is_computed_again(chosen: ExtractSettings) -> None:
    next((chosen.features / "streams/motion/shards").glob("P01_2*.npy")).unlink()
    assert extract(chosen) == 0
    assert set(FeatureStore.open(chosen.features / "streams/motion").index.rows) == {"P01_1", "P01_2"}


def test_weights_that_are_not_known_are_looked_at(
    chosen: ExtractSettings, no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other cache"))
    with pytest.raises(LoadedError):
        extract(chosen)


def test_a_damaged_manifest_is_told(chosen: ExtractSettings, no_network: None) -> None:
    (chosen.features / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="manifest"):
        extract(chosen)

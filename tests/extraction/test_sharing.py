"""One extraction that many share, without a cluster: workers, and who names what they made, are called by hand."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from egoact.commands.data.extract import ExtractSettings, extract, work_of
from egoact.core.errors import ArtifactError
from egoact.extraction.distributed.cluster import RecordingWorker, choose_plan
from egoact.extraction.distributed.sharing import SharedFeatures
from egoact.extraction.work import Work
from egoact.store.layout.index import StoreIndex
from tests.makers.data.extraction import VIDEOS, make_video, settings, write_segments

SPANS = [(0.1, 0.9), (1.2, 1.98)]
LONGER = [*SPANS, (0.9, 1.2)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings, the last of which breaks off, and what one machine makes of some stretches, and of more."""
    place = tmp_path_factory.mktemp("shared")
    (place / "media").mkdir()
    for number, name in enumerate(VIDEOS[:3]):
        make_video(place / f"media/{name}.mp4", number)
    broken = place / f"media/{VIDEOS[2]}.mp4"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    for spans, name in ((SPANS, "some"), (LONGER, "more")):
        write_segments(place / "segments.csv", [*VIDEOS[:3], "P01_199"], spans)
        extract(chosen(place, place / name, cluster=None))
        if name == "some":
            shutil.copytree(place / "some", place / "more")
    return place


def chosen(place: Path, features: Path, cluster: str | None = "ray") -> ExtractSettings:
    return settings(
        place, media=(place / "media",), features=features, exact=False, streams=("rgb", "motion"), cluster=cluster
    )


def share(work: Work, features: Path, *, lose: Callable[[int], bool] = lambda _: False) -> None:
    """All of it, one recording after the other; some are done by workers that are lost before they say so."""
    with SharedFeatures(features) as shared:
        plan = choose_plan(work, shared.heads)
        shared.begin(plan.heads)
        worker = RecordingWorker(work, plan, features)
        for number, video_id in enumerate(work.wanted.video_ids):
            done = worker.extract(video_id, shared.held(video_id))
            if not lose(number):
                shared.add(video_id, done.found)


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(".lock")}


def in_memory() -> dict[str, bytes]:
    memory = fsspec.filesystem("memory")
    return {path.removeprefix("/bucket/features/"): memory.cat_file(path) for path in memory.find("/bucket/features")}


@pytest.mark.parametrize("where", ["folder", "object store"])
def test_a_shared_store_has_the_bytes_of_one_machine(place: Path, tmp_path: Path, where: str) -> None:
    fsspec.filesystem("memory").store.clear()
    features = tmp_path / "features" if where == "folder" else Path("memory://bucket/features")
    for spans, name in ((SPANS, "some"), (LONGER, "more")):  # the second time the same recordings grow
        write_segments(place / "segments.csv", [*VIDEOS[:3], "P01_199"], spans)
        share(work_of(chosen(place, features)), features)
        found = contents(features) if where == "folder" else in_memory()
        assert found == contents(place / name)


def test_what_is_lost_is_computed_again_and_leaves_nothing_behind(place: Path, tmp_path: Path) -> None:
    write_segments(place / "segments.csv", [*VIDEOS[:3], "P01_199"], SPANS)
    work, features = work_of(chosen(place, tmp_path / "features")), tmp_path / "features"
    share(work, features, lose=lambda number: number == 1)
    (features / "shards/P01_101.0123.npy.4567.part").write_bytes(b"half of it")
    (features / "shards/P01_101.0123.npy").write_bytes(b"of no index")
    assert "P01_101" not in StoreIndex.read(features).rows
    share(work, features)
    assert contents(features) == contents(place / "some")


def test_two_at_once_are_told_so(place: Path, tmp_path: Path) -> None:
    fsspec.filesystem("memory").store.clear()
    features, message = Path("memory://bucket/features"), "another egoact extract is writing here"
    work = work_of(chosen(place, features))
    with pytest.raises(ArtifactError, match=message), SharedFeatures(features) as first:
        plan = choose_plan(work, first.heads)
        first.begin(plan.heads)
        share(work, features)
        done = RecordingWorker(work, plan, features).extract(VIDEOS[0], first.held(VIDEOS[0]))
        first.add(VIDEOS[0], done.found)
    folder = tmp_path / "features"
    with SharedFeatures(folder), pytest.raises(ArtifactError, match=message), SharedFeatures(folder):
        pass


def test_a_folder_of_other_features_is_refused(place: Path) -> None:
    other = replace(chosen(place, place / "some"), size=32)
    with SharedFeatures(place / "some") as shared, pytest.raises(ArtifactError, match="size"):
        choose_plan(work_of(other), shared.heads)


def test_what_goes_to_workers_knows_no_command(place: Path, tmp_path: Path) -> None:
    work = work_of(chosen(place, tmp_path / "features"))
    content = pickle.dumps(work)
    assert b"egoact.extraction" in content and b"egoact.commands" not in content
    assert pickle.loads(content).network == work.network


def test_a_url_is_written_by_a_cluster_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^s3://bucket/features: .*--cluster"):
        ExtractSettings(media=(tmp_path,), features=Path("s3://bucket/features"))

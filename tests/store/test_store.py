import json
import multiprocessing
import random
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.store import writer as store_writer
from egoact.store.layout.index import INDEX_NAME, SCHEMA, RecordingRow, StoreIndex, grid_moments
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.store.writer import StoreWriter
from tests.makers.checks import files
from tests.makers.data.clips import write_clips
from tests.makers.data.features import other_spec
from tests.makers.data.stores import MOMENTS_EACH, SAMPLING, SEGMENTS, SPEC, features_of, fill, segment, table


def test_gather_gives_back_what_was_written_in_any_order_and_view(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    store = FeatureStore.open(tmp_path / "s")
    rows = store.locate(table(SEGMENTS), SAMPLING)
    pick = np.array([5, 0, 0, 3, 1, 5])
    views = np.array([0, 1, 0, 1, 1, 1])
    got = store.gather(rows[pick], views=views)
    expected = np.stack([features_of(SEGMENTS[i])[v] for i, v in zip(pick, views, strict=True)])
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, expected)


def test_gather_of_nothing_has_the_right_shape(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    assert FeatureStore.open(tmp_path / "s").gather(np.empty((0, 2, 4), dtype=np.int64)).shape == (0, 4, 8)


@pytest.mark.parametrize(("row", "views"), [(6 * MOMENTS_EACH, 0), (-1, 0), (0, 2), (0, -1)])
def test_gather_refuses_rows_and_views_that_do_not_exist(tmp_path: Path, row: int, views: int) -> None:
    fill(tmp_path / "s", SEGMENTS)
    with pytest.raises(ValueError, match=r"0 to"):
        FeatureStore.open(tmp_path / "s").gather(np.full((1, 2, 4), row), views=views)


def test_features_are_memory_mapped(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    shard = FeatureStore.open(tmp_path / "s").shard(0)
    assert isinstance(shard.base, np.memmap)
    assert not shard.flags.writeable


def test_maps_have_three_feature_axes(tmp_path: Path) -> None:
    spec = other_spec(SPEC, kind="maps", feature_shape=(3, 2, 2))
    fill(tmp_path / "s", SEGMENTS, spec=spec)
    store = FeatureStore.open(tmp_path / "s")
    got = store.gather(store.locate(table(SEGMENTS), SAMPLING), views=1)
    np.testing.assert_array_equal(got, np.stack([features_of(s, spec)[1] for s in SEGMENTS]))


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(8)), cuts=st.sets(st.integers(1, 7), max_size=3))
def test_however_the_work_is_split_the_bytes_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: set[int]
) -> None:
    segments = [segment(i % 4, video=f"P0{i // 4}_01", start=float(i * 7 % 5)) for i in range(8)]
    whole, parts = (tmp_path_factory.mktemp("store") / "s" for _ in range(2))
    fill(whole, segments)
    bounds = [0, *sorted(cuts), 8]
    for start, stop in zip(bounds, bounds[1:], strict=False):
        fill(parts, [segments[i] for i in order[start:stop]])
    assert files(parts) == files(whole)


def test_failed_segments_are_left_out_and_can_be_added_later(tmp_path: Path) -> None:
    assert fill(tmp_path / "s", SEGMENTS, fail={"P01_01_2", "P02_03_1", "P02_03_2", "P02_03_3"}) == 2
    store = FeatureStore.open(tmp_path / "s")
    assert len(store) == 2 * MOMENTS_EACH
    with pytest.raises(ArtifactError, match=r"4 of 6 segments have no features.*P02_03 from 3.00 to 4.50 s"):
        store.locate(table(SEGMENTS), SAMPLING)
    assert fill(tmp_path / "s", SEGMENTS) == 4
    fill(tmp_path / "whole", SEGMENTS)
    assert files(tmp_path / "s") == files(tmp_path / "whole")


def test_nothing_is_computed_twice(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    assert fill(tmp_path / "s", SEGMENTS) == 0


def test_changed_times_are_recomputed(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    moved = [replace(s, start_seconds=s.start_seconds + 0.25) if s == SEGMENTS[1] else s for s in SEGMENTS]
    with pytest.raises(ArtifactError, match=r"1 of 6 segments have no features here, such as"):
        FeatureStore.open(tmp_path / "s").locate(table(moved), SAMPLING)
    assert fill(tmp_path / "s", moved) == 1
    store = FeatureStore.open(tmp_path / "s")
    assert len(store) == 7 * MOMENTS_EACH, "what was there stays: the next edit may want it back"
    assert (store.locate(table(SEGMENTS), SAMPLING) >= 0).all()
    got = store.gather(store.locate(table(moved), SAMPLING))
    np.testing.assert_array_equal(got, np.stack([features_of(s)[0] for s in moved]))


def test_an_open_store_survives_its_own_growth(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS[:4])
    store = FeatureStore.open(tmp_path / "s")
    rows = store.locate(table(SEGMENTS[:4]), SAMPLING)
    before = store.gather(rows)
    fill(tmp_path / "s", SEGMENTS)
    np.testing.assert_array_equal(store.gather(rows), before)


def test_another_fingerprint_is_refused_with_the_field_that_differs(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    with pytest.raises(ArtifactError, match=r"rate 8, not 15; .*same settings or another folder"):
        fill(tmp_path / "s", SEGMENTS, spec=replace(SPEC, rate=15))


def test_waste_of_a_killed_writer_is_swept_away(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS[:3])
    before = files(tmp_path / "s")
    (tmp_path / "s/shards/P09_01.npy.part").write_bytes(b"half")
    (tmp_path / "s/shards/P09_01.0123456789ab.npy").write_bytes(b"never named by the index")
    (tmp_path / "s/recordings.parquet.part").write_bytes(b"half")
    assert fill(tmp_path / "s", SEGMENTS[:3]) == 0
    assert files(tmp_path / "s") == before


def test_a_deleted_shard_is_computed_again(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    before = files(tmp_path / "s")
    next((tmp_path / "s/shards").glob("P01*")).unlink()
    assert fill(tmp_path / "s", SEGMENTS) == 3
    assert files(tmp_path / "s") == before


@pytest.mark.parametrize("video", ["küche 1", "a:b?*", "..x", "CON", "x" * 300, "日本"])
def test_any_video_id_makes_a_shard(tmp_path: Path, video: str) -> None:
    items = [segment(1, video=video), segment(2, video=video + "_")]
    assert fill(tmp_path / "s", items) == 2
    store = FeatureStore.open(tmp_path / "s")
    np.testing.assert_array_equal(store.gather(store.locate(table(items), SAMPLING))[1], features_of(items[1])[0])
    assert {p.parent.name for p in tmp_path.rglob("*.npy")} == {"shards"}


def test_ids_that_differ_only_in_odd_characters_do_not_meet(tmp_path: Path) -> None:
    items = [segment(1, video="a b"), segment(1, video="a?b")]
    with StoreWriter(tmp_path / "s", SPEC) as writer:
        write_clips(writer, items, [features_of(item) for item in items], SAMPLING)
    store = FeatureStore.open(tmp_path / "s")
    np.testing.assert_array_equal(
        store.gather(store.locate(table(items), SAMPLING)), np.stack([features_of(s)[0] for s in items])
    )


# Damage


def cut_shard(path: Path) -> None:
    shard = next((path / "shards").glob("*.npy"))
    shard.write_bytes(shard.read_bytes()[:-10])


def garble_shard(path: Path) -> None:
    next((path / "shards").glob("*.npy")).write_bytes(b"\x93NUMPY\x01\x00 no header at all")


def pickle_shard(path: Path) -> None:
    np.save(next((path / "shards").glob("*.npy")), np.array([{}] * 3, dtype=object), allow_pickle=True)


def retype_shard(path: Path) -> None:
    np.save(next((path / "shards").glob("*.npy")), np.zeros((24, 8), dtype=np.float32))


def remove_shard(path: Path) -> None:
    next((path / "shards").glob("*.npy")).unlink()


def cut_index(path: Path) -> None:
    index = path / "recordings.parquet"
    index.write_bytes(index.read_bytes()[:200])


def text_index(path: Path) -> None:
    (path / "recordings.parquet").write_text("narration_id,video_id\n")


def remove_index(path: Path) -> None:
    (path / "recordings.parquet").unlink()


def cut_manifest(path: Path) -> None:
    (path / "manifest.json").write_text('{"fingerprint": ')


def edit_manifest(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["spec"]["rate"] = 1
    (path / "manifest.json").write_text(json.dumps(manifest))


def list_manifest(path: Path) -> None:
    (path / "manifest.json").write_text("[1, 2]")


def later_manifest(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["spec"]["format_version"] = 99
    (path / "manifest.json").write_text(json.dumps(manifest))


def remove_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        cut_shard,
        garble_shard,
        pickle_shard,
        retype_shard,
        remove_shard,
        cut_index,
        text_index,
        remove_index,
        cut_manifest,
        edit_manifest,
        list_manifest,
        later_manifest,
        remove_manifest,
    ],
)
def test_damage_is_one_clear_line(tmp_path: Path, damage) -> None:
    path = tmp_path / "s"
    fill(path, SEGMENTS)
    damage(path)
    with pytest.raises(ArtifactError) as caught:
        store = FeatureStore.open(path)
        store.gather(store.locate(table(SEGMENTS), SAMPLING))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"other files, such as holiday\.jpg"), StoreWriter(tmp_path, SPEC):
        pass


def test_a_file_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(ArtifactError, match="a folder is needed"), StoreWriter(tmp_path / "f", SPEC):
        pass


def _hold(path: Path, ready, done) -> None:
    with StoreWriter(path, SPEC):
        ready.set()
        done.wait(30)


def test_two_writers_do_not_meet_and_a_killed_one_does_not_block(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "s", ready, done))
    other.start()
    assert ready.wait(30)
    with pytest.raises(ArtifactError, match="another egoact extract"), StoreWriter(tmp_path / "s", SPEC):
        pass
    other.kill()
    other.join()
    assert fill(tmp_path / "s", SEGMENTS) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"kind": "vectors"},
        {"feature_shape": (3, 4)},
        {"dtype": "float64"},
        {"input_size": (64,)},
    ],
)
def test_impossible_specs_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        other_spec(SPEC, **wrong)


def test_a_manifest_has_the_fields_of_the_backbone_beside_its_own() -> None:
    """In the order in which stores have them that were made earlier, whose fingerprints stay what they are."""
    spec = other_spec(modality="difference", lag_seconds=0.1)
    names = "backbone weights_hash input_size mean std kind cut feature_shape engine precision rate resize dtype"
    assert " ".join(spec.to_dict()) == f"{names} modality lag_seconds format_version"
    assert spec.fingerprint == "e8361c9e425643015f362bbb9129912bf30a7f936a2a4b4382bd83fbe9768a6f"


def test_a_store_of_clips_is_refused_with_the_command_that_makes_it_anew(tmp_path: Path) -> None:
    fill(tmp_path / "s", SEGMENTS)
    manifest = json.loads((tmp_path / "s/manifest.json").read_text())
    manifest["spec"] |= {"format_version": 1, "num_frames": 20, "views": 1, "seed": 0}
    del manifest["spec"]["rate"]
    (tmp_path / "s/manifest.json").write_text(json.dumps(manifest))
    command = rf"delete it and run egoact extract --segments CSV --media FOLDER --features {tmp_path / 's'}"
    with pytest.raises(ArtifactError, match=command):
        FeatureStore.open(tmp_path / "s")


def test_a_moment_is_written_once(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", SPEC) as writer, writer.begin() as buffer:
        buffer.append(np.ones((2, 8), dtype=np.float16))
        with pytest.raises(ValueError, match="a moment twice"):
            writer.commit("A", buffer, np.array([5, 5]))
        with pytest.raises(ValueError, match="2 rows for 3 moments"):
            writer.commit("A", buffer, np.array([5, 6, 7]))
        writer.commit("A", buffer, np.array([6, 5]))
    store = FeatureStore.open(tmp_path / "s")
    assert store.index.rows["A"].moments.tolist() == [5, 6]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@settings(max_examples=40)
@given(parts=st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=4), order=st.randoms(use_true_random=False))
def test_whatever_comes_first_every_moment_keeps_its_features(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, parts: list[set[int]], order: random.Random
) -> None:
    """Also where a shard is merged piece by piece, as large ones are."""
    spec = other_spec(SPEC, kind="maps", feature_shape=(2, 1, 1), dtype=dtype)
    path, have = tmp_path_factory.mktemp("store") / "s", set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_writer, "CHUNK_BYTES", 16)
        for part in parts:
            new = sorted(part - have)
            order.shuffle(new)
            have |= part
            with StoreWriter(path, spec) as writer, writer.begin() as buffer:
                buffer.append(np.array([[n, -n] for n in new], dtype=np.float16).reshape(-1, 2, 1, 1))
                writer.commit("A", buffer, np.array([n * 1000 for n in new], dtype=np.int64))
    if not have:
        return
    store = FeatureStore.open(path)
    assert store.index.rows["A"].moments.tolist() == [n * 1000 for n in sorted(have)]
    got = store.gather(np.arange(len(have)).reshape(1, 1, -1))[0, :, :, 0, 0]
    np.testing.assert_allclose(got, [[n, -n] for n in sorted(have)], rtol=1e-3)
    assert len(list((path / "shards").iterdir())) == 1, "old shards are gone"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=5).map(
            lambda name: unicodedata.normalize("NFC", name)
        ),
        st.tuples(st.sets(st.integers(0, 10**11)), st.integers(-1, 10**6)),
        max_size=4,
    )
)
def test_the_index_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, recordings: dict[str, tuple[set[int], int]]
) -> None:
    folder = tmp_path_factory.mktemp("index")
    rows = [
        RecordingRow(video, f"{number}.npy", "0" * 64, num_steps, np.array(sorted(moments), dtype=np.int64))
        for number, (video, (moments, num_steps)) in enumerate(recordings.items())
    ]
    StoreIndex(rows).write(folder)
    found = StoreIndex.read(folder)
    assert found.video_ids == tuple(sorted(recordings))
    assert len(found) == sum(len(moments) for moments, _ in recordings.values())
    for row in rows:
        other = found.rows[row.video_id]
        assert (other.shard, other.num_steps, other.moments.tolist()) == (
            row.shard,
            row.num_steps,
            row.moments.tolist(),
        )


def test_an_index_of_other_types_is_read(tmp_path: Path) -> None:
    row = RecordingRow("A", "a.npy", "0" * 64, 3, grid_moments(np.arange(2), rate=8))
    StoreIndex([row]).write(tmp_path)
    kinds = (pa.large_list(pa.int32()), pa.int16(), *[pa.large_string()] * 3)
    names = list(reversed(SCHEMA.names))
    others = pq.read_table(tmp_path / INDEX_NAME).select(names).cast(pa.schema(zip(names, kinds, strict=True)))
    pq.write_table(others, tmp_path / INDEX_NAME)
    found = StoreIndex.read(tmp_path).rows["A"]
    assert (found.shard, found.num_steps, found.moments.tolist()) == ("a.npy", 3, [62_500, 187_500])
    assert found.moments.dtype == np.int64


def test_an_hour_takes_less_than_a_kilobyte_of_the_index(tmp_path: Path) -> None:
    sizes = []
    for seconds in (60, 3600):
        moments = grid_moments(np.arange(seconds * 8), rate=8)
        StoreIndex([RecordingRow("A", "a.npy", "0" * 64, seconds * 8, moments)]).write(tmp_path)
        sizes.append((tmp_path / "recordings.parquet").stat().st_size)
    assert sizes[1] - sizes[0] < 1000


def write_steps(path: Path, steps: list[int], *, num_steps: int = -1, exact: tuple[int, ...] = ()) -> FeatureStore:
    """A store of some steps, and of some exact moments (microseconds), each with its own time as its features."""
    moments = np.array([*grid_moments(np.array(steps), rate=8).tolist(), *exact])
    with StoreWriter(path, SPEC) as writer, writer.begin() as buffer:
        buffer.append(np.repeat(moments[:, None] / 1e6, 8, axis=1).astype(np.float16))
        writer.commit("A", buffer, moments, num_steps=num_steps)
    return FeatureStore.open(path)


def test_a_frame_is_that_of_its_step_or_of_its_very_moment(tmp_path: Path) -> None:
    store = write_steps(tmp_path / "s", list(range(16)), exact=(500_000, 1_300_000))
    segments = [Segment("a", "A", "A", 0.0, 1.0), Segment("b", "A", "A", 1.2, 1.4)]
    one = ClipSampling(1)
    found = store.gather(store.locate(segments, one))[:, 0, 0]
    np.testing.assert_allclose(found, [0.5, 1.3], rtol=1e-3)  # the middles of both are here exactly
    four = store.gather(store.locate(segments[:1], ClipSampling(4)))[0, :, 0]
    np.testing.assert_allclose(four, [0.1875, 0.4375, 0.6875, 0.9375], rtol=1e-3)  # 0.125 lies in the step at 0.1875


@given(
    have=st.sets(st.integers(0, 40), min_size=1),
    start=st.floats(0, 5),
    length=st.floats(0.05, 3),
    num_frames=st.integers(1, 20),
)
def test_no_other_step_stands_in_for_one_that_is_missing(
    tmp_path_factory: pytest.TempPathFactory, have: set[int], start: float, length: float, num_frames: int
) -> None:
    store = write_steps(tmp_path_factory.mktemp("store") / "s", sorted(have))
    segment, sampling = Segment("a", "A", "A", start, start + length), ClipSampling(num_frames)
    found = store.find([segment], sampling)[0, 0]
    for row, time in zip(found.tolist(), sampling.times([segment])[0, 0].tolist(), strict=True):
        step = int(time * 8)
        assert (row >= 0) == (step in have)
        assert row < 0 or store.index.rows["A"].moments[row] == round((step + 0.5) / 8 * 1e6)


def test_what_is_left_after_the_last_whole_step_shows_that_step(tmp_path: Path) -> None:
    store = write_steps(tmp_path / "s", list(range(16)), num_steps=16)
    one = ClipSampling(1)
    last, beyond = Segment("a", "A", "A", 1.9, 2.2), Segment("b", "A", "A", 2.2, 2.4)
    assert store.find([last, beyond], one).ravel().tolist() == [15, -1]
    unknown = write_steps(tmp_path / "u", list(range(16)))
    assert unknown.find([last], one).ravel().tolist() == [-1]


def test_whole_recordings_are_mapped_and_incomplete_ones_are_left_out(tmp_path: Path) -> None:
    whole = Recordings(write_steps(tmp_path / "whole", list(range(16)), num_steps=16))
    assert list(whole) == ["A"] and whole["A"].shape == (16, 8) and not whole["A"].flags.owndata
    mixed = Recordings(write_steps(tmp_path / "mixed", list(range(16)), num_steps=16, exact=(100_000,)))
    np.testing.assert_array_equal(mixed["A"], whole["A"])
    assert not Recordings(write_steps(tmp_path / "gap", [0, 1, 3], num_steps=4))
    assert not Recordings(write_steps(tmp_path / "open", [0, 1, 2, 3]))


@pytest.mark.slow
def test_more_recordings_than_files_may_be_open(tmp_path: Path) -> None:
    """Hundreds of recordings, in a process that may open 128 files and no more."""
    resource = pytest.importorskip("resource")
    videos = [f"P01_{number:03d}" for number in range(200)]
    fill(tmp_path / "s", [segment(1, video=video) for video in videos])

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    code = (
        "import sys, numpy as np; from egoact.store.reader import FeatureStore\n"
        "store = FeatureStore.open(sys.argv[1])\n"
        "first, again = ([store.shard(n)[0] + 0 for n in range(200)] for _ in range(2))\n"
        "assert all((a == b).all() for a, b in zip(first, again)) and len({a.tobytes() for a in first}) == 200\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_recordings_with_accents_taken_apart_are_found_by_both_spellings(tmp_path: Path) -> None:
    """Stores made on macOS may name them so; the index on disk is written here as it was then."""
    whole, apart = "k\u00fcche_1", "ku\u0308che_1"
    items = [segment(i, video=whole) for i in range(2)]
    fill(tmp_path / "s", items)
    index = tmp_path / "s" / INDEX_NAME
    stored = pq.read_table(index)
    pq.write_table(stored.set_column(0, SCHEMA.field("video_id"), pa.array([apart])), index)
    assert pq.read_table(index)["video_id"].to_pylist() == [apart]
    assert FeatureStore.open(tmp_path / "s").index.video_ids == (whole,)
    assert fill(tmp_path / "s", [segment(0, video=whole)]) == 0, "nothing is computed again"
    assert fill(tmp_path / "s", [*items, segment(5, video=whole)]) == 1
    assert pq.read_table(index)["video_id"].to_pylist() == [whole]


def test_of_two_spellings_of_one_recording_the_fuller_is_read() -> None:
    rows = [RecordingRow(f"k{e}", "a", "", 0, np.arange(n)) for e, n in (("\u00fc", 2), ("u\u0308", 3), ("\u00fc", 1))]
    assert [len(row.moments) for row in StoreIndex(rows).rows.values()] == [3]

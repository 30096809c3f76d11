import csv
import errno
import multiprocessing
import os
import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.core.annotations.union import read_labels
from egoact.core.errors import ArtifactError, MediaError
from egoact.engines.interface import EngineChoice
from egoact.engines.loading import LOADERS
from egoact.engines.speed_cache import Speed
from egoact.engines.torch_engine import TorchEngine
from egoact.extraction import decoding, engine_choice
from egoact.extraction.extraction import Extraction, fill_up
from egoact.media.sources import read_frames
from egoact.store.buffer import FeatureBuffer
from egoact.store.layout.index import grid_moments
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from tests.makers.checks import files
from tests.makers.data.extraction import NUM_FRAMES, SPANS, VIDEOS, features, make_video, settings, write_segments
from tests.makers.films.media import SIZE, frame_members, picture, write_folder, write_tar, write_video
from tests.makers.machines.devices import Fake, Late


def failures(path: Path) -> dict[str, str]:
    with (path / "failures.csv").open(newline="") as file:
        return {f"{row['video_id']} {row['start_seconds']}": row["reason"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short MP4s."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, video in enumerate(VIDEOS):
        make_video(folder / f"P01/videos/{video}.MP4", number)
    return folder


def test_the_three_layouts_of_one_recording_give_the_same_features(tmp_path: Path) -> None:
    size, numbers = (128, 228), range(NUM_FRAMES)
    images = [picture(n, size=size) for n in numbers]
    write_video(tmp_path / "mp4/P01/videos/P01_101.MP4", images=images, size=size, rate=50, b_frames=2)
    write_tar(tmp_path / "tar/P01/rgb_frames/P01_101.tar", frame_members(numbers, size=size))
    write_folder(tmp_path / "folder/P01/rgb_frames/P01_101", numbers=numbers, size=size)
    write_segments(tmp_path / "segments.csv", ["P01_101"])
    got = {}
    for layout in ("mp4", "tar", "folder"):
        chosen = settings(tmp_path, media=tmp_path / layout, features=tmp_path / f"features-{layout}")
        assert extract(chosen) == 0
        got[layout] = features(chosen)
    np.testing.assert_array_equal(got["tar"], got["folder"])
    clip = got["mp4"].reshape(-1, got["mp4"].shape[-1])
    other = got["tar"].reshape(clip.shape)
    cosine = (clip * other).sum(1) / np.linalg.norm(clip, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.min() > 0.999
    spread = np.linalg.norm(clip - clip.mean(0), axis=1).mean()
    assert np.linalg.norm(clip - other, axis=1).mean() < 0.2 * spread, "far nearer than another moment's"


def test_features_are_those_of_the_right_moments(tmp_path: Path, recordings: Path) -> None:
    """Against frames picked by number and run through the backbone one by one."""
    import torch

    from egoact.media.sources import find_media, read_frames
    from egoact.models.backbones.registry import load_backbone

    write_segments(tmp_path / "segments.csv", VIDEOS[:1])
    chosen = settings(tmp_path, media=recordings)
    extract(chosen)
    module = load_backbone("tiny-random", size=64).module
    source = find_media(recordings, VIDEOS[0])
    for clip, (start, stop) in zip(features(chosen), SPANS, strict=True):
        for feature, number in zip(clip, range(8), strict=True):
            moment = start + (number + 0.5) * (stop - start) / 8
            (_, frame), *_ = read_frames(source, np.array([moment]), size=(64, 64))
            image = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
            with torch.inference_mode():
                expected = module(image)[0].numpy()
            np.testing.assert_allclose(feature, expected, rtol=2e-2, atol=2e-3)


def test_views_and_maps(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[:2])
    chosen = settings(tmp_path, media=recordings, views=3, kind="maps", cut=1)
    assert extract(chosen) == 0
    store = FeatureStore.open(chosen.features)
    assert len(store) == 2 * len(SPANS) * 3 * 8
    assert len(store.spec.backbone.feature_shape) == 3
    middle, jittered = features(chosen, views=0), features(chosen, views=1)
    assert not np.array_equal(middle, jittered)
    one_view = replace(chosen, views=1, features=tmp_path / "one")
    assert extract(one_view) == 0
    np.testing.assert_array_equal(features(one_view), middle)


def test_no_frame_is_computed_twice(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Counting(monkeypatch)
    write_segments(tmp_path / "segments.csv", VIDEOS[:1], [(0.0, 1.0), (0.0, 1.0), (0.0, 0.5), (0.30, 0.301)])
    chosen = settings(tmp_path, media=recordings, num_frames=20)
    assert extract(chosen) == 0
    shown = {int(t * 50) for a, b in [(0, 1), (0, 0.5), (0.3, 0.301)] for t in a + (np.arange(20) + 0.5) * (b - a) / 20}
    assert engine.num_frames == len(shown)
    engine.num_frames = 0
    assert extract(chosen) == 0
    assert engine.num_frames == 0, "what is there is not computed again"


def test_bytes_do_not_depend_on_workers_or_runs(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS)
    write_segments(tmp_path / "some.csv", VIDEOS[1:3], SPANS)
    one, many, parts = (settings(tmp_path, media=recordings, features=tmp_path / n) for n in ("one", "many", "parts"))
    assert extract(replace(one, workers=1)) == 0
    assert extract(replace(many, workers=4)) == 0
    assert extract(replace(parts, segments=(tmp_path / "some.csv",))) == 0
    assert extract(parts) == 0
    assert files(one.features) == files(many.features) == files(parts.features)


def test_a_second_csv_adds_to_the_same_videos(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "all.csv", VIDEOS[:2])
    rows = (tmp_path / "all.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join([rows[0], *rows[1::2]]) + "\n")
    (tmp_path / "two.csv").write_text("\n".join([rows[0], *rows[2::2]]) + "\n")
    for name in ("one", "two"):
        assert extract(settings(tmp_path, media=recordings, segments=(tmp_path / f"{name}.csv",))) == 0
    split = settings(tmp_path, media=recordings, segments=(tmp_path / "all.csv",))
    whole = replace(split, features=tmp_path / "whole")
    assert extract(whole) == 0
    np.testing.assert_allclose(features(split), features(whole), rtol=1e-2, atol=1e-3)


# What goes wrong


def test_failures_are_listed_and_the_rest_is_complete(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture
) -> None:
    media = tmp_path / "media"
    names = ["P01_100", "P02_gone", "P03_text", "P04_cut", "P05_empty", "P06_short", "P07_frames", "P08_sound"]
    for name in names:
        (media / name[:3]).mkdir(parents=True)
    good = (recordings / "P01/videos/P01_100.MP4").read_bytes()
    (media / "P01/P01_100.mp4").write_bytes(good)
    (media / "P03/P03_text.mp4").write_text("nothing")
    (media / "P04/P04_cut.mp4").write_bytes(good[: len(good) // 2])
    (media / "P05/P05_empty.mp4").write_bytes(b"")
    make_video(media / "P06/P06_short.mp4", num_frames=60)  # 1.2 s: two segments go beyond it
    folder = write_folder(media / "P07/P07_frames", numbers=range(NUM_FRAMES))
    (folder / "fps.txt").write_text("50")
    for number in range(65, 70):
        (folder / f"frame_{number:010d}.jpg").unlink()
    (media / "P08/P08_sound.mp4").mkdir()
    write_segments(tmp_path / "segments.csv", names)
    chosen = settings(tmp_path)
    assert extract(chosen) == 5 * 4 + 2 + 2
    reasons = failures(chosen.features)
    assert {place.split()[0] for place in reasons} == set(names) - {"P01_100"}
    assert "no recording called P02_gone" in reasons["P02_gone 0.150"]
    assert "truncated" in reasons["P04_cut 0.150"]
    assert "empty (0 bytes)" in reasons["P05_empty 0.150"]
    assert "beyond the end of the video" in next(r for place, r in reasons.items() if place.startswith("P06_short"))
    assert "missing (the last one is 100)" in next(r for place, r in reasons.items() if place.startswith("P07_frames"))
    found = FeatureStore.open(chosen.features).find(read_labels(chosen.segments), chosen.clips())
    assert ((found >= 0).all(axis=(1, 2))).sum() == 4 + 2 + 2
    assert "24 segments failed" in capsys.readouterr().out

    # The recordings are repaired; what failed is tried again, and the list goes away.
    for number, name in enumerate(names):
        for path in (media / name[:3]).glob("*"):
            if path.is_dir() and not list(path.iterdir()):
                path.rmdir()
            elif path.is_file():
                path.unlink()
        if name != "P07_frames":
            make_video(media / name[:3] / f"{name}.mp4", number)
    for number in range(65, 70):
        (folder / f"frame_{number:010d}.jpg").write_bytes((folder / "frame_0000000001.jpg").read_bytes())
    assert extract(chosen) == 0
    assert not (chosen.features / "failures.csv").exists()
    features(chosen)


def test_failures_of_another_csv_stay_listed(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "one.csv", ["P01_100", "P09_one"])
    write_segments(tmp_path / "two.csv", ["P01_101", "P09_two"])
    for name in ("one", "two", "one"):
        assert extract(settings(tmp_path, media=recordings, segments=(tmp_path / f"{name}.csv",))) == 4
    listed = failures(tmp_path / "features")
    assert sorted({place.split()[0] for place in listed}) == ["P09_one", "P09_two"]


def test_not_one_video_means_that_the_folder_is_wrong(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", ["P77_01", "P77_02"])
    with pytest.raises(MediaError, match="no recording called P77_01"):
        extract(settings(tmp_path, media=recordings))
    assert not (tmp_path / "features").exists()


def test_other_settings_for_the_same_store_are_refused(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[:1])
    chosen = settings(tmp_path, media=recordings)
    assert extract(chosen) == 0
    with pytest.raises(ArtifactError, match="rate 8, not 9"):
        extract(replace(chosen, rate=9))


def test_the_engine_of_a_store_is_kept(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[:1])
    chosen = settings(tmp_path, media=recordings)
    assert extract(chosen) == 0
    assert extract(replace(chosen, engine="auto", precision="auto")) == 0
    assert FeatureStore.open(chosen.features).spec.engine == "torch"


class Wrong:
    """An engine whose reduced precision gives other features."""

    batch_size = 4
    graph = None

    def __init__(self, precision: str, run) -> None:
        self.name = "openvino"
        self.precision = "bf16" if precision == "auto" else precision
        self._run = run

    def run(self, frames: np.ndarray) -> np.ndarray:
        features = self._run(frames)
        return features if self.precision == "f32" else features[:, ::-1].copy()


@pytest.fixture
def wrong_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    load = engine_choice.load_engine

    def load_wrong(module, *, engine: str, precision: str, **options):
        return Wrong(precision, load(module, engine="torch", precision="f32", **options).run)

    monkeypatch.setattr(engine_choice, "load_engine", load_wrong)


def test_an_engine_that_disagrees_with_torch_is_refused(tmp_path: Path, recordings: Path, wrong_engine: None) -> None:
    write_segments(tmp_path / "segments.csv", ["P99_gone", *VIDEOS[:1]])
    with pytest.raises(ValueError, match="other features than torch"):
        extract(settings(tmp_path, media=recordings, precision="bf16"))
    assert not (tmp_path / "features").exists()


@pytest.mark.parametrize(("rate", "is_long"), [(0.1, True), (1.0, False)])
def test_torch_is_compiled_where_it_works_for_long(
    rate: float, is_long: bool, tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all that was asked for, not by what is missing: the same features after a stop."""
    told = []
    load = engine_choice.load_engine

    def load_and_tell(module, *, is_compiled: bool, **options):
        told.append(is_compiled)
        return load(module, **options)

    monkeypatch.setattr(engine_choice, "load_engine", load_and_tell)
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *args, **_: [Speed("torch", "f32", 4, rate)])
    chosen = settings(tmp_path, media=recordings)
    write_segments(chosen.segments[0], VIDEOS[:2])  # 8 segments of 8 frames: 640 or 64 seconds
    for _ in range(2):
        assert extract(chosen) == 0
        next((chosen.features / "shards").glob("*.npy")).unlink()
    assert told == [is_long, is_long]


def test_auto_passes_over_what_disagrees_and_says_so(
    tmp_path: Path,
    recordings: Path,
    wrong_engine: None,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranked = [Speed("openvino", "bf16", 4, 300.0), Speed("openvino", "f32", 4, 100.0)]
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *args, **options: ranked)
    write_segments(tmp_path / "segments.csv", VIDEOS[:1])
    chosen = settings(tmp_path, media=recordings, engine="openvino", precision="auto")
    assert extract(chosen) == 0
    told = capsys.readouterr().err
    assert "in bf16 gives other features than torch in f32" in told and "going on with the next fastest" in told
    assert FeatureStore.open(chosen.features).spec.precision == "f32"


def test_on_a_gpu_f16_is_taken_where_bf16_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A made-up GPU, on which halves are faster, and bf16 is too far from f32."""
    speeds = [
        Speed("torch", "bf16", 512, 300.0, True),
        Speed("torch", "f16", 128, 290.0),
        Speed("torch", "f32", 32, 100.0),
    ]
    monkeypatch.setattr(engine_choice, "offered_pairs", lambda *_: [(s.engine, s.precision) for s in speeds])
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *_, **__: speeds)
    monkeypatch.setattr(
        engine_choice, "load_engine", lambda _, *, precision, **__: SimpleNamespace(precision=precision)
    )

    def check(engine: SimpleNamespace, backbone: None, frames: np.ndarray) -> None:
        if engine.precision == "bf16":
            raise ValueError("torch in bf16 gives other features: cosine 0.9985")

    monkeypatch.setattr(engine_choice, "check_parity", check)
    cuda = EngineChoice(device="cuda")
    chosen = engine_choice._fastest(None, cuda, np.zeros(1), num_frames=1)  # type: ignore[arg-type]
    assert (chosen.precision, chosen.batch_size) == ("f16", 128)
    assert "0.9985; going on with the next fastest" in capsys.readouterr().err


def test_a_device_that_is_ahead_of_the_recordings_fills_the_same_store(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *_, **__: [Speed("torch", "f32", 4, 100.0)])
    write_segments(tmp_path / "segments.csv", VIDEOS)
    plain = settings(tmp_path, media=recordings)
    assert extract(plain) == 0
    late = Fake(Late(), Late())
    monkeypatch.setitem(LOADERS, "torch", lambda model, options: TorchEngine(model, options, late))
    ahead = replace(plain, features=tmp_path / "ahead")
    assert extract(ahead) == 0
    assert files(ahead.features) == files(plain.features) and late.copies.done


def test_erratum_videos_are_warned_about_when_read_as_frames(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture
) -> None:
    write_segments(tmp_path / "segments.csv", ["P01_109"])
    write_folder(tmp_path / "media/P01/rgb_frames/P01_109", numbers=range(NUM_FRAMES))
    assert extract(settings(tmp_path)) == 0
    assert "published frames of P01_109 were wrong" in capsys.readouterr().out
    make_video(tmp_path / "mp4/P01_109.mp4")
    assert extract(settings(tmp_path, media=tmp_path / "mp4", features=tmp_path / "other")) == 0
    assert "wrong" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"num_frames": 0}, {"views": 0}, {"workers": -1}, {"rate": 0}, {"frame_rate": 0.0}])
def test_impossible_settings_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ValueError):
        settings(tmp_path, **wrong)


class Counting:
    """Counts the frames that go through the engine, and can interfere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, interfere=lambda features, number: features) -> None:
        self.num_frames = self.num_batches = 0
        load = engine_choice.load_engine

        def load_and_wrap(*args, **options):
            engine = load(*args, **options)
            run = engine.run

            def counted(frames):
                self.num_frames += int(frames.any(axis=(1, 2, 3)).sum())  # black ones only fill up a batch
                self.num_batches += 1
                return interfere(run(frames), self.num_batches)

            engine.run = counted
            return engine

        monkeypatch.setattr(engine_choice, "load_engine", load_and_wrap)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_features_that_float16_cannot_hold_fail_their_segments(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def spoil(features: np.ndarray, number: int) -> np.ndarray:
        if number == 1:
            features[0, 0] = value
        return features

    Counting(monkeypatch, spoil)
    write_segments(tmp_path / "segments.csv", VIDEOS[:2])
    chosen = settings(tmp_path, media=recordings, workers=1)
    assert extract(chosen) == 1
    assert "not finite" in failures(chosen.features)["P01_100 0.150"]
    found = FeatureStore.open(chosen.features).find(read_labels(chosen.segments), chosen.clips())
    assert (found >= 0).all(axis=(1, 2)).sum() == 7


@pytest.mark.parametrize("call", [1, 3, 4, 5, 7])
def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS)
    chosen = settings(tmp_path, media=recordings)
    whole = replace(chosen, features=tmp_path / "whole")
    assert extract(whole) == 0  # the first one of all keeps the hash of the network in the cache, too
    calls = []

    def sync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.fsync(descriptor)

    for module in ("core.files", "store.writer"):
        monkeypatch.setattr(f"egoact.{module}.sync", sync)
    with pytest.raises((ArtifactError, OSError)) as caught:
        extract(chosen)
    if call > 1:  # the first file is the manifest
        assert "the disk is full; what is finished is kept" in str(caught.value)
    monkeypatch.undo()
    assert extract(chosen) == 0
    assert files(chosen.features) == files(whole.features)


def test_a_full_disk_while_features_are_written(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS)
    chosen = settings(tmp_path, media=recordings)
    append = FeatureBuffer.append
    calls = []

    def full(self, values):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, values)

    monkeypatch.setattr(FeatureBuffer, "append", full)
    with pytest.raises(ArtifactError, match="the disk is full"):
        extract(chosen)
    assert not list(chosen.features.rglob("*.part"))
    monkeypatch.undo()
    assert extract(chosen) == 0


def test_ctrl_c_stops_all_workers_and_goes_on_later(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(features: np.ndarray, number: int) -> np.ndarray:
        if number == 3:
            raise KeyboardInterrupt
        return features

    write_segments(tmp_path / "segments.csv", VIDEOS)
    chosen = settings(tmp_path, media=recordings)
    before = threading.active_count()
    with monkeypatch.context() as patch:
        Counting(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            extract(chosen)
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert not list(chosen.features.rglob("*.part"))
    assert extract(chosen) == 0
    assert features(chosen).shape[0] == 16


def test_a_bug_in_a_worker_is_not_swallowed(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args, **options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("egoact.extraction.decoding.read_frames", broken)
    write_segments(tmp_path / "segments.csv", VIDEOS)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        extract(settings(tmp_path, media=recordings))


def _slow_extract(chosen: ExtractSettings, computed, batch_size: int) -> None:
    """`extract` that tells of every batch."""
    infer = Extraction._infer

    def infer_and_tell(self, batch, part):
        computed.release()
        time.sleep(0.005)
        return infer(self, batch, part)

    Extraction._infer = infer_and_tell
    engine_choice.rank_engines = lambda *_, **__: [Speed("torch", "f32", batch_size, 100.0)]
    extract(chosen)


@pytest.mark.parametrize(("count", "filled"), [(1, 4), (3, 4), (8, 8), (9, 12), (12, 12)])
def test_engines_meet_batches_of_few_sizes(count: int, filled: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8)
    batch = fill_up(frames, batch_size=12)
    assert batch.shape == (filled, 2, 2, 3) and batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[:count], frames)


@pytest.fixture(scope="module")
def processes():
    """Processes that begin at once: what they import is imported once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "egoact.engines.torch_engine", "pandas", "pyarrow"])
    return context


def edit_spans(spans: list[tuple[float, float]], generator: random.Random) -> list[tuple[float, float]]:
    """The labels of a recording after a person has moved one, split one, left one out, or added one."""
    edited = generator.sample(spans, len(spans))
    start, stop = edited.pop() if len(edited) > 2 else edited[-1]
    middle = (start + stop) / 2
    what = generator.choice(["move", "split", "delete", "insert"])
    if what == "move":
        edited.append((start * 0.9, stop * 0.9))
    elif what == "split":
        edited += [(start, middle), (middle, stop)]
    elif what == "insert":
        edited += [(start, stop), (generator.uniform(0, 1), generator.uniform(1.1, 1.99))]
    return edited


@pytest.mark.slow
@pytest.mark.parametrize("exact", [True, False])
def test_killed_ten_times_between_edits_it_ends_with_the_bytes_of_one_run(
    tmp_path: Path, recordings: Path, processes, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    """Frame by frame: beside other frames of a batch a frame's features differ in their last bits."""
    chosen = settings(tmp_path, media=recordings, exact=exact)
    generator = random.Random(0)
    spans, every = list(SPANS), dict.fromkeys(SPANS)
    killed = []
    for _ in range(10):
        spans = edit_spans(spans, generator)
        every |= dict.fromkeys(spans)
        write_segments(chosen.segments[0], generator.sample(VIDEOS, len(VIDEOS)), spans)
        killed.append(kill_at_random(processes, chosen, 100 if exact else 40, generator, batch_size=1))
    assert any(killed)
    write_segments(chosen.segments[0], VIDEOS, list(every))
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *_, **__: [Speed("torch", "f32", 1, 100.0)])
    assert extract(chosen) == 0
    whole = replace(chosen, features=tmp_path / "whole")
    assert extract(whole) == 0
    assert files(chosen.features) == files(whole.features)


def kill_at_random(
    processes, chosen: ExtractSettings, most_batches: int, generator: random.Random, *, batch_size: int
) -> bool:
    """Begin an extraction and kill it after some batches; whether it was still running."""
    computed = processes.Semaphore(0)
    process = processes.Process(target=_slow_extract, args=(chosen, computed, batch_size))
    process.start()
    for _ in range(generator.randint(1, most_batches)):
        while process.is_alive() and not computed.acquire(timeout=0.05):
            pass
    time.sleep(generator.uniform(0, 0.02))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_ten_times_it_ends_with_the_same_bytes(
    tmp_path: Path, recordings: Path, processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(tmp_path, media=recordings, exact=False, segments=())
    generator = random.Random(0)
    assert any([kill_at_random(processes, chosen, 12, generator, batch_size=4) for _ in range(10)])
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *_, **__: [Speed("torch", "f32", 4, 100.0)])
    assert extract(chosen) == 0
    whole = replace(chosen, features=tmp_path / "whole")
    assert extract(whole) == 0
    assert files(chosen.features) == files(whole.features)


# Steps of a grid: labelled stretches, and whole recordings


def test_labelled_stretches_are_looked_at_eight_times_a_second(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[:1], [(0.1, 0.9), (1.3, 1.35)])
    chosen = settings(tmp_path, media=recordings, exact=False)
    assert extract(chosen) == 0
    steps = [*range(8), 9, 10]  # 0.1 s lies in step 0, 0.9 s in step 7; 9 in case that the recording ends within 10
    store = FeatureStore.open(chosen.features)
    assert store.index.rows[VIDEOS[0]].moments.tolist() == [round((step + 0.5) / 8 * 1e6) for step in steps]
    exact = replace(chosen, exact=True, features=tmp_path / "exact")
    assert extract(exact) == 0
    assert features(chosen).shape == features(exact).shape


def test_moved_labels_need_only_what_is_new(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Counting(monkeypatch)
    chosen = settings(tmp_path, media=recordings, exact=False)
    for span, num_new in (((0.1, 0.9), 8), ((0.2, 0.8), 0), ((0.3, 0.6), 0), ((0.5, 1.1), 1), ((0.1, 0.9), 0)):
        write_segments(tmp_path / "segments.csv", VIDEOS[:1], [span])
        engine.num_frames = 0
        assert extract(chosen) == 0
        assert engine.num_frames == num_new
        features(chosen)


def test_a_whole_recording_has_every_step_and_answers_every_segment(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    engine = Counting(monkeypatch)
    chosen = settings(tmp_path, media=recordings, exact=False, segments=())
    assert extract(chosen) == 0
    store = FeatureStore.open(chosen.features)
    assert {video: len(steps) for video, steps in Recordings(store).items()} == dict.fromkeys(VIDEOS, 16)
    assert engine.num_frames == 4 * 16
    write_segments(tmp_path / "segments.csv", VIDEOS, [*SPANS, (1.95, 2.05)])  # the last goes on for less than a step
    labelled = replace(chosen, segments=(tmp_path / "segments.csv",))
    for again in (chosen, labelled, replace(labelled, recordings=True)):
        assert extract(again) == 0
    assert engine.num_frames == 4 * 16, "computed again"
    features(labelled)
    assert capsys.readouterr().out.count("nothing is missing") == 3


def test_recordings_of_a_csv_as_a_whole(tmp_path: Path, recordings: Path) -> None:
    write_segments(tmp_path / "segments.csv", VIDEOS[1:2])
    chosen = settings(tmp_path, media=recordings, exact=False, recordings=True)
    assert extract(chosen) == 0
    assert list(Recordings(FeatureStore.open(chosen.features))) == VIDEOS[1:2]


def test_a_segment_may_end_in_what_is_left_after_the_last_step_but_not_beyond(tmp_path: Path) -> None:
    make_video(tmp_path / "media/P01_100.mp4", num_frames=103)  # 2.06 s: sixteen steps and a half
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(1.5, 2.06)])
    chosen = settings(tmp_path, exact=False)
    assert extract(chosen) == 0
    assert FeatureStore.open(chosen.features).index.rows["P01_100"].num_steps == 16
    features(chosen)
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(1.5, 2.06), (1.5, 3.0)])
    assert extract(chosen) == 1
    (place, reason), *others = failures(chosen.features).items()
    assert place == "P01_100 2.188" and "beyond the end of the video" in reason and not others
    with pytest.raises(ArtifactError, match="1 of 2 segments .* P01_100 from 1.50 to 3.00 s"):
        features(chosen)


def test_a_segment_behind_the_last_step_shows_that_one(tmp_path: Path) -> None:
    make_video(tmp_path / "media/P01_100.mp4", num_frames=103)
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(0.3, 0.35), (2.02, 2.05)])
    chosen = settings(tmp_path, exact=False)
    assert extract(chosen) == 0
    assert not (chosen.features / "failures.csv").exists()
    behind = features(chosen)[1]
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(1.9, 1.95)])
    np.testing.assert_array_equal(features(chosen)[0], behind)


def test_a_segment_behind_the_last_step_does_not_wait_for_one_that_goes_beyond_the_end(tmp_path: Path) -> None:
    make_video(tmp_path / "media/P01_100.mp4", num_frames=103)
    rows = [(0.3, 0.35), (2.02, 2.05), (2.03, 3.0)]
    write_segments(tmp_path / "segments.csv", ["P01_100"], rows)
    chosen = settings(tmp_path, exact=False)
    assert extract(chosen) == 1
    (place,) = failures(chosen.features)
    assert place == "P01_100 2.188"
    write_segments(tmp_path / "segments.csv", ["P01_100"], rows[:2])
    assert features(chosen).shape[0] == 2
    before = files(chosen.features)
    assert extract(chosen) == 0
    assert files(chosen.features) == before, "nothing was missing"


def test_a_recording_damaged_in_the_middle_keeps_what_can_be_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "media/P01_100", numbers=range(NUM_FRAMES))
    (folder / "fps.txt").write_text("50")
    for number in range(40, 61):
        (folder / f"frame_{number:010d}.jpg").unlink()
    chosen = settings(tmp_path, exact=False, segments=())
    assert extract(chosen) == 1
    ((place, reason),) = failures(chosen.features).items()
    assert place.startswith("P01_100 0.8") and "missing" in reason
    store = FeatureStore.open(chosen.features)
    assert store.index.rows["P01_100"].num_steps == 16 and not Recordings(store)
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(0.0, 0.7), (1.3, 2.0)])
    labelled = replace(chosen, segments=(tmp_path / "segments.csv",))
    assert features(labelled).shape[0] == 2
    assert extract(labelled) == 0
    assert failures(chosen.features), "this run had no reason to look there"
    for number in range(40, 61):
        (folder / f"frame_{number:010d}.jpg").write_bytes((folder / "frame_0000000001.jpg").read_bytes())
    assert extract(chosen) == 0
    assert not (chosen.features / "failures.csv").exists()
    assert list(Recordings(FeatureStore.open(chosen.features))) == ["P01_100"]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_video_damaged_in_the_middle_keeps_what_can_be_read(tmp_path: Path, ending: str) -> None:
    path = make_video(tmp_path / f"media/P01_100.{ending}", num_frames=400)  # 64 steps
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * 0.45), int(len(content) * 0.6)
    content[first:last] = random.Random(0).randbytes(last - first)
    path.write_bytes(content)
    chosen = settings(tmp_path, exact=False, segments=())
    assert extract(chosen) == 1
    store = FeatureStore.open(chosen.features)
    row = store.index.rows["P01_100"]
    steps = row.find_moments(grid_moments(np.arange(row.num_steps), rate=8))
    missing = np.flatnonzero(steps < 0)
    assert row.num_steps == len(steps) == 64 and 5 <= len(missing) <= 20
    assert (np.diff(missing) == 1).all() and missing[0] > 20 and missing[-1] < 50
    with (chosen.features / "failures.csv").open(newline="") as file:
        (failure,) = csv.DictReader(file)
    stretch = [float(failure[f"{edge}_seconds"]) for edge in ("start", "stop")]
    np.testing.assert_allclose(stretch, [(missing[0] + 0.5) / 8, (missing[-1] + 0.5) / 8], atol=0.001)
    assert not Recordings(store)
    # What is good answers segments; the rest is tried again, and in vain.
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(0.0, 2.0), (6.5, 8.0)])
    assert features(replace(chosen, segments=(tmp_path / "segments.csv",))).shape[0] == 2
    assert extract(chosen) == 1
    assert FeatureStore.open(chosen.features).index.rows["P01_100"].moments.tolist() == row.moments.tolist()


def test_several_labels_files_are_one(tmp_path: Path, recordings: Path) -> None:
    one = write_segments(tmp_path / "one.csv", VIDEOS[:2], SPANS[:3])
    two = write_segments(tmp_path / "two.csv", VIDEOS[1:3], SPANS[2:])
    chosen = settings(tmp_path, media=recordings, exact=False, segments=(one, two))
    assert extract(chosen) == 0
    assert FeatureStore.open(chosen.features).index.video_ids == tuple(VIDEOS[:3])
    assert features(chosen).shape[0] == 2 * 3 + 2 * 2 - 1, "the segment that both have counts once"
    alone = replace(chosen, features=tmp_path / "alone")
    for path in (one, two):
        assert extract(replace(alone, segments=(path,))) == 0
    assert sorted(files(alone.features)) == sorted(files(chosen.features))


def test_a_recording_cut_off_is_there_up_to_the_cut(tmp_path: Path) -> None:
    content = make_video(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "media").mkdir()
    (tmp_path / "media/P01_100.mkv").write_bytes(content[: len(content) // 2])
    chosen = settings(tmp_path, exact=False, segments=())
    assert extract(chosen) == 1
    assert "truncated" in next(iter(failures(chosen.features).values()))
    store = FeatureStore.open(chosen.features)
    assert 4 <= len(store) <= 12 and not Recordings(store)


def test_chapters_of_a_camera_have_the_features_of_one_file(tmp_path: Path) -> None:
    lossless = {"rate": 50, "gop": 1, "options": {"qp": "0"}, "pixel_format": "yuv444p"}
    write_video(tmp_path / "whole/GX0042.mp4", num_frames=NUM_FRAMES, **lossless)
    for chapter, first, stop in ((1, 0, 37), (2, 37, NUM_FRAMES)):
        path = tmp_path / f"chapters/GX{chapter:02d}0042.MP4"
        write_video(path, num_frames=stop - first, first_number=first, **lossless)
    stores = []
    for name in ("whole", "chapters"):
        chosen = settings(tmp_path, media=tmp_path / name, features=tmp_path / f"{name}.features")
        assert extract(replace(chosen, exact=False, segments=())) == 0
        stores.append(files(chosen.features))
    assert stores[0] == stores[1]


def test_a_recording_that_grows_while_it_is_read_is_not_taken_for_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fragments, as browsers and phones record: what is there of it ends as a complete file does."""
    path = tmp_path / "media/P01_100.mp4"
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    content = write_video(path, rate=50, num_frames=NUM_FRAMES, gop=20, container_options=fragments).read_bytes()
    part = b"moof".join(content.split(b"moof")[:4])[:-4]
    path.write_bytes(part)
    chosen = settings(tmp_path, exact=False, segments=())

    def read_and_grow(*arguments, **options):
        for answer in read_frames(*arguments, **options):
            path.write_bytes(content)
            yield answer

    monkeypatch.setattr(decoding, "read_frames", read_and_grow)
    assert extract(chosen) == 1
    assert "somebody is still writing" in next(iter(failures(chosen.features).values()))
    monkeypatch.undo()
    assert extract(chosen) == 0
    store = FeatureStore.open(chosen.features)
    assert {video: len(steps) for video, steps in Recordings(store).items()} == {"P01_100": 16}
    path.write_bytes(part)
    assert extract(replace(chosen, features=tmp_path / "others")) == 0, "where nobody writes, it is complete"


def test_a_recording_that_became_longer_is_not_taken_for_its_old_length(tmp_path: Path) -> None:
    """As when its frames were still being copied."""
    folder = write_folder(tmp_path / "media/P01_100", numbers=range(NUM_FRAMES))
    (folder / "fps.txt").write_text("50")
    chosen = settings(tmp_path, exact=False, segments=())
    assert extract(chosen) == 0
    write_folder(tmp_path / "media/P01_100", numbers=range(3 * NUM_FRAMES))
    write_segments(tmp_path / "segments.csv", ["P01_100"], [(1.5, 3.0)])
    labelled = replace(chosen, segments=(tmp_path / "segments.csv",))
    assert extract(labelled) == 0
    features(labelled)
    assert extract(chosen) == 0
    store = FeatureStore.open(chosen.features)
    assert {video: len(steps) for video, steps in Recordings(store).items()} == {"P01_100": 48}


def test_accents_taken_apart_in_labels_or_file_names_meet_the_same_features(tmp_path: Path) -> None:
    whole, apart = "k\u00fcche_1", "ku\u0308che_1"
    make_video(tmp_path / f"media/{apart}.mp4")
    chosen = settings(tmp_path, exact=False, segments=())
    assert extract(chosen) == 0
    for name in (whole, apart, f"{apart}.MP4"):
        labelled = replace(chosen, segments=(write_segments(tmp_path / "segments.csv", [name]),))
        assert extract(labelled) == 0
        features(labelled)
    assert list(FeatureStore.open(chosen.features).index.rows) == [whole]


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    with pytest.raises(MediaError, match="there is no recording here"):
        extract(settings(tmp_path, exact=False, segments=()))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"segments": (), "exact": True}, "--recordings and --exact go with --segments"),
        ({"recordings": True}, "--exact computes the frames of clips alone"),
        ({"segments": (), "exact": False, "modality": "flow"}, "--modality flow goes with --segments"),
    ],
)
def test_flags_that_contradict_each_other(tmp_path: Path, wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        settings(tmp_path, **wrong)


def test_numbers_survive_the_whole_way(tmp_path: Path) -> None:
    """One clip of a still picture: all of its frames have the same features."""
    images = [picture(5)] * 50
    write_video(tmp_path / "media/still.mkv", images=images, size=SIZE, rate=25, codec="ffv1", pixel_format="bgr0")
    write_segments(tmp_path / "segments.csv", ["still"], [(0.0, 1.9)])
    chosen = settings(tmp_path)
    assert extract(chosen) == 0
    clip = features(chosen)[0]
    assert np.isfinite(clip).all()
    np.testing.assert_array_equal(clip, np.repeat(clip[:1], 8, axis=0))

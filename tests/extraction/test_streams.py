"""Streams beside each other: extracted in one pass or one after the other, trained on, evaluated and predicted with."""

import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.verify import VerifySettings, verify
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.learning.tune import TuneSettings
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.annotations.union import read_labels
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.metrics.calibration import softmax
from egoact.core.sampling import ClipSampling, resample_indices
from egoact.engines.torch_engine import TorchEngine
from egoact.extraction import decoding
from egoact.extraction.recordings import compute_features
from egoact.live.streaming import open_run_stream
from egoact.media.pairs import frame_lag, read_pairs
from egoact.media.sources import MediaSource, read_frames
from egoact.media.video.file import VideoFile
from egoact.models.backbones.spec import LAG_SECONDS, STREAMS
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.recognizer import Recognizer
from egoact.store.buffer import FeatureBuffer
from egoact.store.concatenation import ConcatenatedStores, open_features
from egoact.store.layout.failures import read_failures
from egoact.store.layout.manifest import read_manifest
from egoact.store.reader import FeatureStore
from egoact.store.streams import find_streams, stream_path
from egoact.store.writer import StoreWriter
from tests.makers.checks import files
from tests.makers.data.recordings import write_labels, write_recording

WIDTHS = {"rgb": 32, "grid": 128, "difference": 32, "motion": 131}


def settings(home: Path, features: Path, **changes: object) -> ExtractSettings:
    base = ExtractSettings(
        media=(home / "videos",), features=features, backbone="tiny-random", size=32, engine="torch", precision="f32"
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def contents(store: Path) -> dict[str, np.ndarray]:
    """Recording -> all that a store has of it."""
    opened = FeatureStore.open(store)
    return {video: np.array(opened.shard(n)) for n, video in enumerate(opened.index.video_ids)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings with labels, and all their streams in `features`."""
    folder = tmp_path_factory.mktemp("home")
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2)}
    write_labels(folder / "labels.csv", videos)
    assert extract(settings(folder, folder / "features", streams=STREAMS)) == 0
    return folder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Frames of every run of a network."""
    runs: list[int] = []
    run = TorchEngine.run

    def count(self: TorchEngine, frames: np.ndarray) -> np.ndarray:
        runs.append(len(frames))
        return run(self, frames)

    monkeypatch.setattr(TorchEngine, "run", count)
    yield runs


def test_streams_lie_side_by_side_and_are_whole(home: Path) -> None:
    found = find_streams(home / "features")
    assert list(found) == list(STREAMS) and found["rgb"] == home / "features"
    assert found["motion"] == home / "features/streams/motion"
    stores = [FeatureStore.open(path) for path in found.values()]
    assert {store.spec.backbone.stream: store.spec.backbone.feature_shape[0] for store in stores} == WIDTHS
    assert {store.spec.engine for store in stores} == {"torch", "opencv"}
    for store in stores:
        for video, row in store.index.rows.items():
            assert row.num_steps > 40 and (row.moments == stores[0].index.rows[video].moments).all()
    assert verify(VerifySettings(home / "features", segments=(home / "labels.csv",))) == 0


def test_what_was_one_store_is_the_same_bytes(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path)) == 0
    spec = json.loads((tmp_path / "manifest.json").read_text())["spec"]
    assert not {"grid", "lag_seconds", "modality"} & spec.keys()
    alone, beside = files(tmp_path), files(home / "features")
    assert {name for name in beside if not name.startswith("streams")} == set(alone)
    assert alone["manifest.json"] == beside["manifest.json"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_alone_is_what_it_is_in_one_pass_with_others(home: Path, tmp_path: Path, name: str) -> None:
    assert extract(settings(home, tmp_path, streams=(name,))) == 0
    assert list(find_streams(tmp_path)) == [name]
    alone, together = contents(stream_path(tmp_path, name)), contents(stream_path(home / "features", name))
    assert alone.keys() == together.keys()
    for video, features in alone.items():
        np.testing.assert_allclose(features, together[video], rtol=2e-3, atol=2e-4)


def test_a_stream_is_added_without_computing_the_others_again(home: Path, tmp_path: Path, counted: list[int]) -> None:
    assert extract(settings(home, tmp_path)) == 0
    before, num_frames = files(tmp_path), sum(counted)
    counted.clear()
    assert extract(settings(home, tmp_path, streams=("motion",))) == 0
    assert not counted
    assert extract(settings(home, tmp_path, streams=("rgb", "difference", "motion"))) == 0
    assert 0 < sum(counted) < 1.2 * num_frames + 32, "more than the difference"
    assert {name: content for name, content in files(tmp_path).items() if name in before} == before
    assert list(find_streams(tmp_path)) == ["rgb", "difference", "motion"]
    counted.clear()
    assert extract(settings(home, tmp_path, streams=("rgb", "difference", "motion"))) == 0
    assert not counted


def test_streams_that_lack_other_moments_are_filled_up_together(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media/kitchen_1.mp4").symlink_to(home / "videos/kitchen_1.mp4")
    assert extract(settings(home, tmp_path / "f", media=(tmp_path / "media",))) == 0
    capsys.readouterr()
    assert extract(settings(home, tmp_path / "f", streams=("rgb", "motion"))) == 0
    told = capsys.readouterr().out
    first, second = (len(row.moments) for row in FeatureStore.open(tmp_path / "f").index.rows.values())
    assert f"rgb: {second} added, {first} were there already" in told
    assert f"motion: {first + second} added, 0 were there already" in told
    np.testing.assert_array_equal(
        contents(tmp_path / "f/streams/motion")["kitchen_1"], contents(home / "features/streams/motion")["kitchen_1"]
    )


def test_what_a_killed_run_had_of_one_stream_is_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, done = StoreWriter.commit, []

    def killed(self: StoreWriter, *arguments: object, **options: object) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(self.path)
        commit(self, *arguments, **options)  # type: ignore[arg-type]

    chosen = settings(home, tmp_path, streams=STREAMS, workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            extract(chosen)
    kept = {name: len(contents(path)) for name, path in find_streams(tmp_path).items() if path in done}
    assert kept == {"rgb": 1, "grid": 1, "difference": 1}
    assert extract(chosen) == 0
    for name in STREAMS:
        whole, expected = contents(stream_path(tmp_path, name)), contents(stream_path(home / "features", name))
        assert {v: len(f) for v, f in whole.items()} == {v: len(f) for v, f in expected.items()}
        np.testing.assert_allclose(whole["kitchen_2"], expected["kitchen_2"], rtol=2e-3, atol=2e-4)
    assert verify(VerifySettings(tmp_path)) == 0


def test_a_damaged_earlier_frame_fails_only_the_streams_that_look_at_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = decoding.read_pairs

    def damaged(source: MediaSource, times: np.ndarray, **options: object):
        for positions, frame, earlier in read(source, times, **options):  # type: ignore[arg-type]
            is_hit = 2.0 < times[positions.start] < 2.2
            yield positions, frame, MediaError("damaged", path=source.path) if is_hit else earlier

    monkeypatch.setattr(decoding, "read_pairs", damaged)
    assert extract(settings(home, tmp_path, streams=("rgb", "motion"))) == 2
    rgb, motion = tmp_path, tmp_path / "streams/motion"
    assert not read_failures(rgb) and {f.video_id for f in read_failures(motion)} == {"kitchen_1", "kitchen_2"}
    lost = len(FeatureStore.open(rgb)) - len(FeatureStore.open(motion))
    assert 2 <= lost <= 4
    monkeypatch.undo()
    assert extract(settings(home, tmp_path, streams=("rgb", "motion"))) == 0
    assert not read_failures(motion) and len(FeatureStore.open(rgb)) == len(FeatureStore.open(motion))


def test_exact_clips_of_all_streams(home: Path, tmp_path: Path) -> None:
    labels = (home / "labels.csv",)
    asked = settings(home, tmp_path, streams=STREAMS, segments=labels, exact=True, num_frames=6)
    assert extract(asked) == 0
    store, table = open_features(tmp_path), read_labels(labels)
    clips = store.gather(store.locate(table, ClipSampling(6)))
    assert clips.shape == (len(table), 6, sum(WIDTHS.values())) and np.isfinite(clips).all()


def test_features_are_read_side_by_side_by_name(home: Path) -> None:
    features, sampling, table = home / "features", ClipSampling(5), read_labels((home / "labels.csv",))
    every = open_features(features)
    assert isinstance(every, ConcatenatedStores)
    assert [spec.backbone.stream for spec in every.specs] == list(STREAMS)
    two = open_features(features, ("motion", "rgb"))
    assert [spec.backbone.stream for spec in two.specs] == ["rgb", "motion"]
    clips = two.gather(two.locate(table, sampling))
    alone = open_features(features, ("motion",))
    np.testing.assert_array_equal(clips[..., 32:], alone.gather(alone.locate(table, sampling)))
    np.testing.assert_array_equal(
        open_features(features / "streams/motion").gather(alone.locate(table, sampling)), clips[..., 32:]
    )


def test_a_stream_that_is_not_there_is_named(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path, streams=("rgb", "motion"))) == 0
    told = "no streams grid difference here, only rgb, motion; add it with egoact extract --streams grid difference"
    with pytest.raises(ArtifactError, match=told):
        open_features(tmp_path, ("difference", "grid", "rgb"))
    with pytest.raises(ArtifactError, match="no feature store here"):
        open_features(tmp_path / "other", ("rgb",))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modality": "flow", "segments": (Path("x.csv"),)}, "--streams motion: of frames"),
        ({"kind": "maps"}, "cannot stand beside --kind maps"),
        ({"precision": "int8"}, "--precision int8 is calibrated on frames, for rgb alone"),
        ({"streams": ("motion",), "cut": 2}, "has no network: leave --weights and --cut away"),
        ({"streams": ()}, "--streams needs at least one"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Path, tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        settings(home, tmp_path, **({"streams": ("rgb", "motion")} | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rate": 4}, "rgb here has rate 8, motion would have 4"),
        ({"size": 48}, r"rgb here has size 32, motion would have 48"),
        ({"streams": ("difference",), "cut": 1}, "rgb here has cut None, difference would have 1"),
        ({"kind": "maps", "streams": ("rgb",), "features": "other"}, "there is motion here already: maps"),
    ],
)
def test_streams_of_one_folder_are_of_the_same_frames(
    home: Path, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    chosen = settings(home, tmp_path / "f")
    assert extract(chosen) == 0
    if changes.pop("features", None):
        chosen = settings(home, tmp_path / "other")
        assert extract(replace(chosen, streams=("motion",))) == 0
    with pytest.raises(ArtifactError, match=told):
        extract(replace(chosen, **({"streams": ("motion",)} | changes)))


def test_a_folder_of_other_things_gets_no_streams(home: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("my life's work")
    with pytest.raises(ArtifactError, match=r"holds other files, such as thesis\.tex"):
        extract(settings(home, tmp_path, streams=("motion",)))
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def fit(home: Path, run: Path, **changes: object) -> TrainSettings:
    base = TrainSettings(
        segments=(home / "labels.csv",), features=(home / "features",), run=run, head="average", num_frames=6, epochs=3
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [("rgb", "difference", "motion"), ("motion",), ("rgb", "grid"), ()])
def test_a_run_remembers_its_streams_and_computes_just_them(
    home: Path, tmp_path: Path, names: tuple[str, ...], counted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(fit(home, run, streams=names)) == 0
    names = names or STREAMS
    config = Recognizer.load(run).config
    assert [spec.stream for spec in config.backbones] == list(names)
    evaluate = ("evaluate", "--segments", home / "labels.csv", "--features", home / "features", "--run", run)
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in (*evaluate, "--out", tmp_path / "out")])
    assert not stop.value.code, capsys.readouterr().err
    assert 0 <= json.loads((tmp_path / "out/metrics.json").read_text())["verb"]["top1"] <= 100

    loaded = load_run(run, EngineChoice(engine="torch", precision="f32"))
    counted.clear()
    source = MediaSource("kitchen_1", home / "videos/kitchen_1.mp4", "video")
    with FeatureBuffer(config.feature_shape) as buffer:
        assert compute_features(source, loaded.engine, buffer, rate=8) is None
        found = np.array(buffer.read())
    stored = np.concatenate([contents(stream_path(home / "features", name))["kitchen_1"] for name in names], axis=1)
    assert found.shape == (len(stored), sum(WIDTHS[name] for name in names))
    np.testing.assert_allclose(found, stored, rtol=2e-3, atol=2e-4)
    kinds = {"difference" if name == "difference" else "frames" for name in names if name != "motion"}
    assert sum(counted) <= len(kinds) * len(stored) + 4
    finder = tmp_path / "finder"
    labels, features = (home / "labels.csv",), (home / "features",)
    assert train_timeline(TrainTimelineSettings(segments=labels, features=features, run=finder, streams=names)) == 0
    assert predict(PredictSettings(source.path, run=finder, out=tmp_path / "timeline")) == 0
    assert json.loads((tmp_path / "timeline/timeline.json").read_text())["segments"] is not None


def test_evaluation_names_the_stream_that_a_folder_lacks(home: Path, tmp_path: Path) -> None:
    assert train(fit(home, tmp_path / "run", streams=("rgb", "motion"))) == 0
    assert extract(settings(home, tmp_path / "f")) == 0
    with pytest.raises(ArtifactError, match="no stream motion here, only rgb; add it with egoact extract"):
        load_run(tmp_path / "run").score(read_labels((home / "labels.csv",)), tmp_path / "f")


@pytest.mark.parametrize("names", [("rgb", "motion"), ("difference", "motion"), ("rgb", "grid")])
def test_windows_of_live_frames_have_the_streams_of_the_recording(
    home: Path, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """The last 1.2 s of frames, as the same frames of the file with what was shown before each."""
    assert train(fit(home, tmp_path / "run", streams=names)) == 0
    run = load_run(tmp_path / "run", EngineChoice(engine="torch", precision="f32"))
    source = MediaSource("kitchen_1", home / "videos/kitchen_1.mp4", "video")
    with VideoFile(source.path) as file:
        frame_rate = float(file.stream.average_rate)
    frames = [frame for _, frame in read_frames(source, (np.arange(40) + 0.5) / frame_rate, size=(32, 32))]
    stream = open_run_stream(run, rate=frame_rate / 2, window_seconds=(1.2,))
    answers = [stream.push(frame, i / frame_rate) for i, frame in enumerate(frames)]  # type: ignore[arg-type]
    assert answers[38] is not None and answers[39] is None
    count = round(1.2 * frame_rate / 2)
    seen = np.arange(38 - 2 * (count - 1), 39, 2)
    pairs = read_pairs(
        source, (seen + 0.5) / frame_rate, lag_seconds=(lag := frame_lag(source, LAG_SECONDS)), size=(32, 32)
    )
    now, before = (np.stack(each) for each in zip(*[pair[1:] for pair in pairs], strict=True))
    features = np.concatenate(run.engine.run(now, before, lag_seconds=lag), axis=1)
    said = run.recognizer.score(features[resample_indices(count, num_frames=6)][None])["verb"][0]
    np.testing.assert_allclose(answers[38].probabilities["verb"], softmax(said), atol=1e-5)


def test_a_run_trained_before_there_were_streams_is_loaded(home: Path, tmp_path: Path) -> None:
    assert train(fit(home, tmp_path / "run", streams=("rgb",))) == 0
    path = tmp_path / "run/config.json"
    config = json.loads(path.read_text())
    for field in ("grid", "lag_seconds"):
        del config["backbone"][field]
    path.write_text(json.dumps(config))
    old = load_run(tmp_path / "run")
    assert old.config.backbone == read_manifest(home / "features").backbone
    old.score(read_labels((home / "labels.csv",)), home / "features")


def test_a_new_stream_is_computed_as_its_neighbours_are(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path, engine="onnxruntime")) == 0
    assert extract(settings(home, tmp_path, engine="auto", precision="auto", streams=("rgb", "difference"))) == 0
    made = [read_manifest(path) for path in find_streams(tmp_path).values()]
    assert [(spec.engine, spec.precision) for spec in made] == [("onnxruntime", "f32")] * 2


def test_a_full_disk_keeps_what_is_finished_of_every_stream(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = StoreWriter.commit

    def full(self: StoreWriter, video_id: str, *arguments: object, **options: object) -> None:
        if self.path.name == "motion" and self.index.rows:
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self, video_id, *arguments, **options)  # type: ignore[arg-type]

    chosen = settings(home, tmp_path, streams=("rgb", "motion"), workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "commit", full)
        with pytest.raises(ArtifactError, match="the disk is full; what is finished is kept"):
            extract(chosen)
    assert {name: len(contents(path)) for name, path in find_streams(tmp_path).items()} == {"rgb": 2, "motion": 1}
    assert extract(chosen) == 0
    assert verify(VerifySettings(tmp_path)) == 0 and len(contents(tmp_path / "streams/motion")) == 2


def test_one_writer_a_stream(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path, streams=("rgb", "motion"))) == 0
    next((tmp_path / "shards").glob("*.npy")).unlink()  # so that there is something to do
    with (
        StoreWriter(tmp_path / "streams/motion", read_manifest(tmp_path / "streams/motion")),
        pytest.raises(ArtifactError, match="streams/motion.*another egoact extract"),
    ):
        extract(settings(home, tmp_path, streams=("rgb", "motion")))


def test_tuning_trains_on_the_streams_that_it_was_told(home: Path, tmp_path: Path) -> None:
    labels, features = (home / "labels.csv",), (home / "features",)
    tuning = TuneSettings(segments=labels, features=features, out=tmp_path, streams=("motion",))
    assert tuning.train_settings({}, run=tmp_path / "run").streams == ("motion",)


def test_verification_names_the_stream_that_is_damaged(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(settings(home, tmp_path, streams=("rgb", "motion"))) == 0
    shard = next((tmp_path / "streams/motion/shards").glob("*.npy"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    capsys.readouterr()
    assert verify(VerifySettings(tmp_path)) == 1 and verify(VerifySettings(tmp_path, streams=("rgb",))) == 0
    told = capsys.readouterr().out
    assert "verify: motion: " in told and "its bytes have changed" in told and "verify: rgb: " in told

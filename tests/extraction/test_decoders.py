"""Recordings that a device decodes where the network is: the features of PyAV's pictures, whoever decodes which."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.engines.loading import LOADERS
from egoact.engines.parity import compare_features
from egoact.engines.speed_cache import Speed
from egoact.engines.torch_engine import TorchEngine
from egoact.extraction import decoding, engine_choice
from egoact.extraction.decoding import Decoders, FrameBatch, JobDone, VideoJob, choose_decoders, decode
from egoact.media.sources import MediaSource
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.store.streams import stream_path
from tests.makers.data.extraction import VIDEOS, make_video, settings
from tests.makers.machines.devices import Fake, Late, stand_in_for_torchcodec


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExtractSettings:
    """Two whole recordings, one of which torchcodec must leave to PyAV."""
    for number, video in enumerate(VIDEOS[:2]):
        make_video(tmp_path / f"media/{video}.mp4", number)
    make_video(tmp_path / "media/P02_101.avi", 3)
    monkeypatch.setattr(engine_choice, "rank_engines", lambda *_, **__: [Speed("torch", "f32", 4, 100.0)])
    streams = ("rgb", "difference", "motion")
    return settings(tmp_path, exact=False, segments=(), media=(tmp_path / "media",), streams=streams)


def rows(features: Path, stream: str) -> dict[str, np.ndarray]:
    store = Recordings(FeatureStore.open(stream_path(features, stream)))
    return {video: store[video].astype(np.float32) for video in store}


def test_a_decoder_that_is_not_here_is_told_before_a_store_is_begun(
    chosen: ExtractSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    with pytest.raises(ValueError, match=r"pip install 'egoact\[gpu\]' brings torchcodec"):
        extract(replace(chosen, decoder="torchcodec"))
    assert not chosen.features.exists()


@pytest.mark.parametrize("is_ahead", [False, True])
def test_the_features_are_those_of_pyav(
    chosen: ExtractSettings, is_ahead: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert extract(chosen) == 0
    stand_in_for_torchcodec(monkeypatch)
    if is_ahead:
        late = Fake(Late(), Late())
        monkeypatch.setitem(LOADERS, "torch", lambda model, options: TorchEngine(model, options, late))
    other = replace(chosen, decoder="torchcodec", features=chosen.features.with_name("other"))
    assert extract(other) == 0
    assert capsys.readouterr().err.count("goes to PyAV") <= 1
    for stream in chosen.streams:
        expected, found = rows(chosen.features, stream), rows(other.features, stream)
        assert found.keys() == expected.keys() and len(found) == 3
        for video, right in expected.items():
            assert found[video].shape == right.shape
            if stream != "motion":  # which these films have none of, only noise
                assert compare_features(right, found[video]).lowest > 0.999


class OneByOne:
    """A device that decodes until a worker has done something, too."""

    def __init__(self) -> None:
        self.others, self.most, self.busy, self.done = threading.Event(), 0, 0, 0

    def read(self, path: Path, times: np.ndarray, *, size: tuple[int, int]) -> Iterator[tuple[slice, torch.Tensor]]:
        self.busy += 1
        self.most = max(self.most, self.busy)
        assert self.others.wait(20)
        for number in range(len(times)):
            yield slice(number, number + 1), torch.full((*size, 3), number, dtype=torch.uint8)
        self.busy -= 1
        self.done += 1


def test_a_device_takes_what_comes_when_it_is_free_and_workers_the_rest(tmp_path: Path) -> None:
    jobs = []
    for number in range(4):
        path = make_video(tmp_path / f"{number}.mp4", number)
        jobs.append(VideoJob(MediaSource(str(number), path, "video"), lambda: np.arange(6) / 10))
    reader = OneByOne()
    kinds: dict[str, type] = {}
    decoders = Decoders(reader, 1, is_helped=True)  # type: ignore[arg-type]
    for event in decode(jobs, size=(32, 32), batch_size=4, num_workers=1, decoders=decoders):
        if isinstance(event, FrameBatch):
            kinds[event.job.source.video_id] = type(event.frames)
            assert isinstance(event.frames, torch.Tensor) or event.frames.any()
        if isinstance(event, JobDone) and kinds[event.job.source.video_id] is np.ndarray:
            reader.others.set()
    assert len(kinds) == 4 and set(kinds.values()) == {np.ndarray, torch.Tensor}
    assert reader.most == 1 and reader.done == list(kinds.values()).count(torch.Tensor)


def test_which_decoders(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    made: list[str] = []
    monkeypatch.setattr(decoding, "DeviceReader", made.append)
    monkeypatch.setattr(decoding, "find_spec", lambda name: name)
    how = {"num_workers": 3, "is_whole": True}
    assert choose_decoders("pyav", place="cuda", **how) is None
    assert choose_decoders("auto", place="cpu", **how) is None
    assert choose_decoders("auto", place="cuda", num_workers=3, is_whole=False) is None
    both, alone = choose_decoders("auto", place="cuda:1", **how), choose_decoders("torchcodec", place="cpu", **how)
    assert both is not None and (both.count, both.is_helped) == (decoding.RECORDINGS_AT_ONCE, True)
    assert alone is not None and (alone.count, alone.is_helped) == (3, False)
    assert made == ["cuda:1", "cpu"]

    def fail(device: str) -> None:
        raise ValueError("no FFmpeg")

    monkeypatch.setattr(decoding, "DeviceReader", fail)
    assert choose_decoders("auto", place="cuda", **how) is None
    assert capsys.readouterr().err == "extract: no FFmpeg; going on with PyAV alone\n"
    with pytest.raises(ValueError, match="no FFmpeg"):
        choose_decoders("torchcodec", place="cpu", **how)
    monkeypatch.setattr(decoding, "find_spec", lambda name: None)
    assert choose_decoders("auto", place="cuda", **how) is None

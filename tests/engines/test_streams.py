"""Streams of the same frames: what they are, computed together as alone, by as few runs of the network as they need."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.engines.interface import Engine
from egoact.engines.loading import load_engine
from egoact.engines.speed_cache import Speed, SpeedCache
from egoact.engines.streams import (
    GRID,
    StreamEngine,
    build_streams,
    difference_pictures,
    grids_of,
    motion_spec,
    stream_specs,
)
from egoact.media.flow.descriptors import NUM_NUMBERS, MotionDescriptor
from egoact.models.backbones.registry import Backbone, is_mean_of_parts, load_backbone
from egoact.models.backbones.spec import LAG_SECONDS, STREAMS, BackboneSpec, Stream

SIZE = 64


class Counted:
    """An engine that counts its runs."""

    def __init__(self, backbone: Backbone) -> None:
        self.engine: Engine = load_engine(backbone, engine="torch", precision="f32", device="cpu")
        self.name, self.precision, self.batch_size, self.graph = self.engine.name, self.engine.precision, 8, None
        self.num_runs = 0

    def run(self, frames: np.ndarray) -> np.ndarray:
        self.num_runs += 1
        return self.engine.run(frames)


def load(names: tuple[Stream, ...], *, size: int = SIZE) -> tuple[StreamEngine, list[Counted]]:
    engines: list[Counted] = []

    def put(backbone: Backbone) -> Counted:
        engines.append(Counted(backbone))
        return engines[-1]

    backbones = {grid: load_backbone("tiny-random", size=size, grid=grid) for grid in grids_of(names)}
    specs = stream_specs(names, backbones, input_size=(size, size))
    return StreamEngine(build_streams(specs, backbones, put)), engines


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Frames, and those before them."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (6, SIZE // 4, SIZE // 4, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return frames, np.roll(frames, 3, axis=2)


def test_each_stream_has_a_spec_of_its_own() -> None:
    engine, _ = load(STREAMS)
    rgb, grid, difference, motion = engine.specs
    assert [spec.stream for spec in engine.specs] == list(STREAMS)
    assert [spec.feature_shape for spec in engine.specs] == [(32,), (128,), (32,), (NUM_NUMBERS,)]
    assert grid.grid == GRID and {spec.weights_hash for spec in (rgb, grid, difference)} == {rgb.weights_hash}
    assert (motion.name, motion.weights_hash) == ("dis-motion", "")
    assert [spec.lag_seconds for spec in engine.specs] == [0, 0, LAG_SECONDS, LAG_SECONDS]
    assert [spec.title for spec in engine.specs][1:3] == ["tiny-random on grid", "tiny-random on difference"]
    assert all(BackboneSpec.from_dict(spec.to_dict()) == spec for spec in engine.specs)


def test_a_spec_of_before_there_were_streams_is_one_of_frames() -> None:
    (spec,) = load(("rgb",))[0].specs
    old = {k: v for k, v in spec.to_dict().items() if k not in ("modality", "grid", "lag_seconds")}
    assert BackboneSpec.from_dict(old) == spec


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modality": "smell"}, "modality must be one of rgb, difference, motion, flow"),
        ({"grid": 0}, "grid must be a whole number from 1 to 64, got 0"),
        ({"grid": 2, "modality": "difference", "lag_seconds": 0.1}, "difference cannot have a grid of 2"),
        ({"lag_seconds": 0.1}, "rgb cannot have a lag of 0.1 s"),
        ({"modality": "motion"}, "motion cannot have a lag of 0.0 s"),
    ],
)
def test_impossible_streams_are_refused(changes: dict[str, object], told: str) -> None:
    (spec,) = load(("rgb",))[0].specs
    with pytest.raises(ValueError, match=told):
        replace(spec, **changes)  # type: ignore[arg-type]


def test_streams_together_are_what_they_are_alone(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    together = load(STREAMS)[0].run(*pictures)
    for name, features in zip(STREAMS, together, strict=True):
        (alone,) = load((name,))[0].run(*pictures)
        assert features.dtype == np.float32 and len(features) == len(pictures[0])
        np.testing.assert_allclose(features, alone, rtol=1e-5, atol=1e-6)


def test_streams_are_what_they_say(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    frames, earlier = pictures
    rgb, grid, difference, motion = load(STREAMS)[0].run(frames, earlier, lag_seconds=0.2)
    maps = load_engine(
        load_backbone("tiny-random", size=SIZE, kind="maps"), engine="torch", precision="f32", device="cpu"
    ).run(frames)
    height, width = (size // 2 for size in maps.shape[2:])
    parts = [maps[:, :, :height, :width], maps[:, :, :height, width:], maps[:, :, height:, :width]]
    for part, features in zip(parts, np.split(grid, 4, axis=1), strict=False):
        np.testing.assert_allclose(features, part.mean((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(rgb, maps.mean((2, 3)), rtol=1e-5)
    shown = np.clip(frames.astype(int) - earlier.astype(int) + 128, 0, 255).astype(np.uint8)
    np.testing.assert_allclose(difference, load(("rgb",))[0].run(shown)[0], rtol=1e-5)
    np.testing.assert_array_equal(motion, MotionDescriptor()(frames, earlier, lag_seconds=0.2))


def test_differences_are_exact_and_cut_off_and_do_not_wrap_round() -> None:
    earlier, frames = (
        values.astype(np.uint8)[..., None].repeat(3, axis=-1) for values in np.mgrid[0:256, 0:256][:, None]
    )
    expected = np.clip(frames.astype(int) - earlier.astype(int) + 128, 0, 255)
    found = difference_pictures(frames, earlier)
    assert found.shape == (1, 256, 256, 3) and found.dtype == np.uint8 and (found == expected).all()


@pytest.mark.parametrize(
    ("names", "size", "num_engines", "num_runs"),
    [
        (("rgb",), 64, 1, 1),
        (("rgb", "grid"), 64, 1, 1),
        (("rgb", "grid", "difference", "motion"), 64, 1, 2),
        (("difference", "motion"), 64, 1, 1),
        (("motion",), 64, 0, 0),
        (("rgb", "grid"), 72, 2, 2),  # maps of 5 x 5 have no quarters
    ],
)
def test_the_network_runs_no_more_often_than_it_must(
    names: tuple[Stream, ...], size: int, num_engines: int, num_runs: int
) -> None:
    engine, engines = load(names, size=size)
    frames = np.zeros((2, size, size, 3), np.uint8)
    engine.run(frames, frames)
    assert len(engines) == num_engines and sum(each.num_runs for each in engines) == num_runs
    assert engine.needs_earlier == bool({"difference", "motion"} & set(names))
    assert engine.name == ("torch" if num_engines else "opencv") and engine.precision == "f32"
    assert engine.batch_size == (8 if num_engines else 32)


def test_some_of_the_streams(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    engine, engines = load(STREAMS)
    some = engine.only((0, 1))
    assert not some.needs_earlier and engine.only((0, 1)) is some and engine.only(range(4)) is engine
    assert [len(features[0]) for features in some.run(pictures[0])] == [32, 128] and engines[0].num_runs == 1


class OwnPooling(nn.Module):
    """Pooling that is no mean, as some models have it."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.amax(dim=(2, 3))


def test_another_pooling_than_the_mean_is_not_taken_for_one() -> None:
    pooled, grid = (load_backbone("tiny-random", size=SIZE, grid=n) for n in (1, 2))
    assert is_mean_of_parts(pooled, grid)
    other = Backbone(pooled.spec, nn.Sequential(*list(pooled.module)[:-1], OwnPooling()))  # type: ignore[call-overload]
    assert not is_mean_of_parts(other, grid)


def test_maps_that_are_too_small_have_no_grid() -> None:
    with pytest.raises(ValueError, match="have no 3 x 3 parts"):
        load_backbone("tiny-random", size=32, grid=3)  # maps of 2 x 2


def test_what_cannot_be_computed_in_one_pass_is_refused(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    engine, _ = load(STREAMS)
    with pytest.raises(ValueError, match="need the frame before each frame, got none"):
        engine.run(pictures[0])
    with pytest.raises(ValueError, match=r"of sizes \[\(32, 32\), \(64, 64\)\]"):
        StreamEngine([engine.streams[0], replace(engine.streams[3], spec=motion_spec((32, 32)))])
    with pytest.raises(ValueError, match="there is no stream"):
        StreamEngine([])


def test_a_network_is_as_fast_whatever_its_pooling_and_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pooled, grid, cut = (
        load_backbone("tiny-random", size=SIZE, **options)  # type: ignore[arg-type]
        for options in ({}, {"grid": 2}, {"cut": 1})
    )
    SpeedCache(pooled, device="cpu").put(Speed("torch", "f32", 16, 123.0))
    assert SpeedCache(grid, device="cpu").get("torch", "f32") == Speed("torch", "f32", 16, 123.0)
    assert SpeedCache(cut, device="cpu").get("torch", "f32") is None

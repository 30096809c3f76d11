"""A stream says of some frames what the clip path says of them."""

import gc
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.core.annotations.labels import Vocabulary
from egoact.core.metrics.calibration import softmax
from egoact.core.sampling import resample_indices, sample_uniform
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.engines.interface import Engine
from egoact.engines.loading import load_engine
from egoact.engines.streams import StreamEngine, one_stream
from egoact.live.memories import FeatureRing
from egoact.live.streaming import Stream, open_run_stream, open_stream
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.models.heads import HEADS, SteppingHead, build_head
from egoact.runs.loading import Run
from egoact.runs.recognizer import Recognizer, RecognizerConfig

pytestmark = pytest.mark.usefixtures("one_thread")
T, SIZE, RATE = 20, 32, 10.0
VERBS, NOUNS = ("open", "close", "cut"), ("fridge", "door")
STEPPING = [name for name, made in HEADS.items() if issubclass(made, SteppingHead)]


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    return {kind: load_backbone("tiny-random", size=SIZE, kind=kind) for kind in ("pooled", "maps")}


@pytest.fixture(scope="module")
def engines(backbones: dict[str, Backbone]) -> dict[str, Engine]:
    return {kind: engine_of(backbone) for kind, backbone in backbones.items()}


def engine_of(backbone: Backbone) -> Engine:
    return load_engine(backbone, engine="torch", precision="f32")


def recognizer_for(
    name: str, backbones: dict[str, Backbone], *, targets: tuple[str, ...] = ("verb", "noun")
) -> Recognizer:
    """A run whose classifiers are not zero and whose statistics are those of features."""
    spec = backbones[HEADS[name].kind].spec
    vocabularies = {"verb": Vocabulary("verb", VERBS), "noun": Vocabulary("noun", NOUNS)}
    config = RecognizerConfig(
        head=name,
        vocabularies={target: vocabularies[target] for target in targets},  # type: ignore[index,misc]
        backbone=spec,
        num_frames=T,
        dropout=0.5,
    )
    torch.manual_seed(3)
    model = config.build()
    for classifier in model.classifiers.values():
        for parameter in classifier.parameters():
            nn.init.normal_(parameter, std=model.head.width**-0.5)
    engine = engine_of(backbones[HEADS[name].kind])
    seen = torch.from_numpy(np.stack([engine.run(film(T, seed=seed)) for seed in range(20, 24)]))
    model.observe([seen])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = None  # the mean over all batches, here of one
    model.train()(seen)
    return Recognizer(config, model)


def film(num_frames: int, *, seed: int = 0) -> np.ndarray:
    """Coloured patches that fade and a light that moves: no two frames, and no two films, look the same."""
    random = np.random.default_rng(seed)
    start, end = random.integers(0, 160, (2, 4, 4, 3))
    share = np.linspace(0, 1, num_frames)[:, None, None, None]
    frames = (start * (1 - share) + end * share).repeat(SIZE // 4, 1).repeat(SIZE // 4, 2).astype(np.uint8)
    for i, frame in enumerate(frames):
        frame[i % SIZE :] += 90
    return frames


class Counter:
    """An engine that says nothing, and counts."""

    name, precision, batch_size, graph = "none", "f32", 1, None

    def __init__(self) -> None:
        self.num_frames = 0

    def run(self, frames: np.ndarray) -> np.ndarray:
        self.num_frames += len(frames)
        return np.zeros((len(frames), 32), np.float32)


def nothing(recognizer: Recognizer, counter: Counter | None = None) -> StreamEngine:
    return one_stream(recognizer.config.backbone, counter or Counter())


def stream_over(
    frames: np.ndarray, recognizer: Recognizer, engine: Engine, *, rate: float = RATE, **options
) -> tuple[Stream, list[OnlinePrediction]]:
    stream = open_stream(recognizer, one_stream(recognizer.config.backbone, engine), rate=rate, **options)
    answers = [stream.push(frame, i / rate) for i, frame in enumerate(frames)]
    return stream, [answer for answer in answers if answer is not None]


@pytest.mark.parametrize("num_frames", [T, T + 11])
@pytest.mark.parametrize("name", HEADS)
def test_a_window_is_answered_as_the_clip_of_its_frames(
    name: str, num_frames: int, backbones: dict[str, Backbone], engines: dict[str, Engine]
) -> None:
    engine, recognizer, frames = engines[HEADS[name].kind], recognizer_for(name, backbones), film(num_frames)
    _, answers = stream_over(frames, recognizer, engine, window_seconds=(T / RATE,))
    clip = recognizer.score(engine.run(frames[-T:])[None])
    for target, logits in clip.items():
        assert np.abs(answers[-1].probabilities[target] - softmax(logits[0])).max() < 1e-5
    others = recognizer.score(engine.run(film(T, seed=7))[None])
    assert max(np.abs(answers[-1].probabilities[t] - softmax(others[t][0])).max() for t in others) > 1e-3


@pytest.mark.parametrize("name", HEADS)
def test_a_window_of_another_length_is_resampled_as_training_samples(
    name: str, backbones: dict[str, Backbone], engines: dict[str, Engine]
) -> None:
    engine, recognizer, frames = engines[HEADS[name].kind], recognizer_for(name, backbones), film(50)
    _, answers = stream_over(frames, recognizer, engine, window_seconds=(3.0,))
    shown = np.floor(sample_uniform(2.0, 5.0, num_frames=T) * RATE + 1e-9).astype(
        int
    )  # frame i is shown from i / 10 s on
    clip = recognizer.score(engine.run(frames[shown])[None])
    for target, logits in clip.items():
        assert np.abs(answers[-1].probabilities[target] - softmax(logits[0])).max() < 1e-5


@pytest.mark.parametrize("name", STEPPING)
@pytest.mark.parametrize("num_frames", [1, 7, T])
def test_step_by_step_is_the_clip_of_all_frames_so_far(
    name: str, num_frames: int, backbones: dict[str, Backbone], engines: dict[str, Engine]
) -> None:
    engine, recognizer, frames = engines[HEADS[name].kind], recognizer_for(name, backbones), film(num_frames)
    stream, answers = stream_over(frames, recognizer, engine, mode="running")
    clip = recognizer.score(engine.run(frames)[None])
    for target, logits in clip.items():
        assert np.abs(answers[-1].probabilities[target] - softmax(logits[0])).max() < 1e-5
    stream.clear()
    again = [stream.push(frame, float(i)) for i, frame in enumerate(frames)][-1]
    assert again is not None
    assert all((again.probabilities[t] == answers[-1].probabilities[t]).all() for t in clip), (
        "it remembers what was cleared"
    )


@pytest.mark.parametrize("name", STEPPING)
def test_states_keep_their_size_and_are_not_written_into(name: str) -> None:
    shape = (12,) if HEADS[name].kind == "pooled" else (6, 5, 4)
    head = build_head(name, feature_shape=shape, num_frames=T).eval()
    before = head.initial_state(2)
    copies = [part.clone() for part in before]
    _, after = head.step(torch.randn(2, *shape), before)
    assert [part.shape for part in after] == [part.shape for part in before]
    assert all(torch.equal(a, b) for a, b in zip(before, copies, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("stride", "padding", "kernel_size"), [(1, "same", 3), (2, "same", 3), (4, "same", 4), (2, "valid", 3)]
)
def test_convlstm_steps_whatever_its_convolution(stride: int, padding: str, kernel_size: int) -> None:
    options = {"stride": stride, "padding": padding, "kernel_size": kernel_size, "kernels": 5, "width": None}
    head = build_head("convlstm", feature_shape=(3, 8, 6), num_frames=4, **options).eval()
    maps = torch.randn(2, 4, 3, 8, 6)
    state = head.initial_state(2)
    for t in range(4):
        embedding, state = head.step(maps[:, t], state)
    torch.testing.assert_close(embedding, head(maps))


def test_the_window_moves_on_and_gaps_shorten_it(backbones: dict[str, Backbone], engines: dict[str, Engine]) -> None:
    recognizer, frames = recognizer_for("difference", backbones), film(60)
    stream, answers = stream_over(frames[:40], recognizer, engines["pooled"], window_seconds=(2.0,))
    assert [round(a.covered_seconds, 6) for a in answers[:3]] == [1.0, 1.1, 1.2]  # from half a window on
    assert [round(a.covered_seconds, 6) for a in answers[-3:]] == [2.0, 2.0, 2.0]
    after = [stream.push(frame, 60 + i / RATE) for i, frame in enumerate(frames[40:])]
    assert after[8] is None and after[9] is not None and round(after[9].covered_seconds, 6) == 1.0
    fresh = recognizer.score(engines["pooled"].run(frames[40:][resample_indices(20, num_frames=T)])[None])
    assert np.abs(after[-1].probabilities["verb"] - softmax(fresh["verb"][0])).max() < 1e-5


def test_several_windows_are_averaged(backbones: dict[str, Backbone], engines: dict[str, Engine]) -> None:
    recognizer, frames, engine = recognizer_for("gru", backbones), film(40), engines["pooled"]
    _, both = stream_over(frames, recognizer, engine, window_seconds=(1.0, 3.0))
    parts = [stream_over(frames, recognizer, engine, window_seconds=(w,))[1][-1] for w in (1.0, 3.0)]
    means = np.sqrt(parts[0].probabilities["verb"] * parts[1].probabilities["verb"])
    assert both[-1].probabilities["verb"] == pytest.approx(means / means.sum(), abs=1e-6)


@pytest.mark.parametrize(
    ("camera_rate", "rate", "expected"), [(30, 10, 10), (29.97, 10, 10), (15, 10, 10), (60, 8, 8), (5, 10, 5)]
)
def test_only_sampled_frames_go_through_the_backbone(
    camera_rate: float, rate: float, expected: float, backbones: dict[str, Backbone]
) -> None:
    recognizer, counter = recognizer_for("average", backbones), Counter()
    stream = open_stream(recognizer, nothing(recognizer, counter), rate=rate)
    for i in range(round(60 * camera_rate)):
        stream.push(np.zeros((4, 4, 3), np.uint8), i / camera_rate)
    assert counter.num_frames == pytest.approx(60 * expected, rel=0.01)


@pytest.mark.parametrize("mode", ["window", "running"])
def test_memory_does_not_grow(mode: str, backbones: dict[str, Backbone]) -> None:
    recognizer = recognizer_for("lstm", backbones)
    stream = open_stream(recognizer, nothing(recognizer), mode=mode)  # type: ignore[arg-type]
    frame = np.zeros((4, 4, 3), np.uint8)
    for i in range(50):
        stream.push(frame, i / RATE)
    tracemalloc.start()
    try:
        for i in range(50, 100):
            stream.push(frame, i / RATE)
        gc.collect()
        early = tracemalloc.get_traced_memory()[0]
        for i in range(100, 400):
            stream.push(frame, i / RATE)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - early < 10_000
    finally:
        tracemalloc.stop()


def test_a_ring_keeps_the_newest_in_order() -> None:
    ring = FeatureRing(3, (1,))
    assert len(ring) == 0
    for i in range(5):
        ring.add(np.array([i], np.float32), float(i))
        assert len(ring) == min(i + 1, 3)
    assert ring.seconds.tolist() == [2, 3, 4]
    assert ring.clip(2, num_frames=4)[:, 0].tolist() == [3, 3, 4, 4]
    ring.clear()
    assert len(ring) == 0 and ring.seconds.tolist() == []


def test_what_cannot_be_is_refused(backbones: dict[str, Backbone]) -> None:
    recognizer = recognizer_for("difference", backbones)
    engine = nothing(recognizer)
    with pytest.raises(ValueError, match="'difference' needs whole clips.*lstm"):
        open_stream(recognizer, engine, mode="running")
    for rate in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="frames a second"):
            open_stream(recognizer, engine, rate=rate)
    for windows in ((), (0.0,), (1.0, 0.05), (float("inf"),)):
        with pytest.raises(ValueError, match="windows of"):
            open_stream(recognizer, engine, window_seconds=windows)
    stream = open_stream(recognizer, engine)
    stream.push(np.zeros((4, 4, 3), np.uint8), 5.0)
    with pytest.raises(ValueError, match="4.0 s after one of 5.0 s"):
        stream.push(np.zeros((4, 4, 3), np.uint8), 4.0)
    head = build_head("tcn", feature_shape=(4,), num_frames=T, causal=False)
    with pytest.raises(ValueError, match="not causal"):
        head.initial_state(1)


def test_an_answer_ranks_verbs_nouns_and_actions() -> None:
    probabilities = {"verb": np.array([0.2, 0.7, 0.1]), "noun": np.array([0.4, 0.6])}
    answer = OnlinePrediction(1.5, 2.0, probabilities, {"verb": VERBS, "noun": NOUNS})
    assert answer.top("verb", 2) == [("close", 0.7), ("open", 0.2)]
    assert [name for name, _ in answer.top("action", 3)] == ["close door", "close fridge", "open door"]
    assert answer.top("action", 1)[0][1] == pytest.approx(0.42)
    assert answer.name == "close door" and answer.targets == ["verb", "noun", "action"]
    assert answer.to_dict(1) == {
        "seconds": 1.5,
        "covered_seconds": 2.0,
        "verb": [{"name": "close", "probability": 0.7}],
        "noun": [{"name": "door", "probability": 0.6}],
        "action": [{"name": "close door", "probability": 0.42}],
    }
    verbs_only = OnlinePrediction(1.5, 2.0, {"verb": probabilities["verb"]}, {"verb": VERBS})
    assert verbs_only.name == "close" and verbs_only.targets == ["verb"]
    with pytest.raises(ValueError, match="no probabilities"):
        OnlinePrediction(0, 1, {"verb": np.array([0.5, np.nan])}, {"verb": ("a", "b")})
    with pytest.raises(ValueError, match="2 names"):
        OnlinePrediction(0, 1, {"verb": np.array([1.0])}, {"verb": ("a", "b")})


def test_background_is_one_action() -> None:
    probabilities = {"verb": np.array([0.2, 0.8]), "noun": np.array([0.6, 0.4])}
    answer = OnlinePrediction(
        0, 1, probabilities, {"verb": ("open", BACKGROUND_NAME), "noun": ("door", BACKGROUND_NAME)}
    )
    assert answer.top("action") == [(BACKGROUND_NAME, pytest.approx(0.32)), ("open door", pytest.approx(0.12))]
    assert answer.name == BACKGROUND_NAME


def test_a_run_says_how_to_look_at_its_windows(
    backbones: dict[str, Backbone], engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer, frames, engine = recognizer_for("gru", backbones), film(20), engines["pooled"]
    config = replace(recognizer.config, window_seconds=(1.0, 0.5), temperature={"verb": 4.0})
    expected = stream_over(frames, recognizer, engine, window_seconds=(1.0, 0.5), temperature={"verb": 4.0})[1]
    run = Run(tmp_path, Recognizer(config, recognizer.model))
    monkeypatch.setitem(run.__dict__, "engine", one_stream(config.backbone, engine))
    stream = open_run_stream(run, rate=RATE)
    for number, frame in enumerate(frames):
        answer = stream.push(frame, number / RATE)
    assert answer.probabilities["verb"] == pytest.approx(expected[-1].probabilities["verb"])


def test_a_temperature_makes_windows_less_sure(backbones: dict[str, Backbone], engines: dict[str, Engine]) -> None:
    recognizer, frames, engine = recognizer_for("gru", backbones), film(20), engines["pooled"]
    _, sure = stream_over(frames, recognizer, engine)
    _, unsure = stream_over(frames, recognizer, engine, temperature={"verb": 4.0})
    expected = softmax(np.log(sure[-1].probabilities["verb"]) / 4)
    assert unsure[-1].probabilities["verb"] == pytest.approx(expected, abs=1e-9)
    assert (unsure[-1].probabilities["noun"] == sure[-1].probabilities["noun"]).all()

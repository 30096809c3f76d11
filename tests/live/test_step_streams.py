"""A segmenter that sees no future says of a stream what it says of the same steps of a recording."""

import gc
import tracemalloc
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from egoact.api import Recognizer
from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.engines.streams import GRID, stream_specs
from egoact.live.memories import GAP_SECONDS
from egoact.live.streaming import EarlierFrames, Stream, open_run_stream
from egoact.media.pairs import frame_lag, read_pairs
from egoact.media.sources import MediaSource, read_frames
from egoact.models.backbones.registry import load_backbone
from egoact.models.backbones.spec import LAG_SECONDS
from egoact.models.backbones.spec import Stream as StreamName
from egoact.runs.loading import EngineChoice, Run, load_run
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter
from tests.makers.films.media import write_video

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (32, 32)
STEPS = 4
ALL: tuple[StreamName, ...] = ("rgb", "grid", "difference", "motion")
CHOICE = EngineChoice(engine="torch", precision="f32")


def save_run(
    path: Path, segmenter: str, *, streams: tuple[StreamName, ...] = ALL, members: int = 1, nouns: bool = True
) -> Path:
    """A run with a tiny backbone and weights that make it say something."""
    backbones = {grid: load_backbone("tiny-random", size=32, grid=grid) for grid in (1, GRID)}
    vocabularies = {"verb": Vocabulary("verb", ("open", "close", "cut"))}
    if nouns:
        vocabularies["noun"] = Vocabulary("noun", ("fridge", "door"))
    config = SegmenterConfig(
        segmenter=segmenter,
        vocabularies=vocabularies,  # type: ignore[arg-type]
        backbones=tuple(stream_specs(streams, backbones, input_size=SIZE)),
        rate=2 * STEPS,
        stride=2,
        members=members,
        components=8,
        options={}
        if segmenter in ("linear", "causal")
        else {"width": 8, "layers": 2 if segmenter == "asformer" else 3},
    )
    torch.manual_seed(0)
    model = config.build()
    for name, values in model.state_dict().items():
        if not name.startswith("members"):
            torch.nn.init.normal_(values, std=0.5 / max(values.shape[-2] if values.ndim > 1 else 1, 1) ** 0.5)
    TrainedSegmenter(config, model).save(path)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> MediaSource:
    """Ten seconds, 30 pictures a second, in which a square goes round over a background that fades."""
    images = []
    random = np.random.default_rng(0)
    for i in range(300):
        picture = np.full((48, 64, 3), 60 + i // 3, np.uint8)
        picture[4::8, ::4] = random.integers(0, 255, 3)
        top, left = round(16 + 14 * np.sin(i / 9)), round(24 + 20 * np.cos(i / 9))
        picture[top : top + 16, left : left + 16] = (220, 40, i % 250)
        images.append(picture)
    path = write_video(tmp_path_factory.mktemp("film") / "film.mp4", images=images, rate=30, size=(48, 64))
    return MediaSource("film", path, "video")


@lru_cache
def frames_of(film: MediaSource, rate: float = 30.0, num_frames: int = 300) -> list[np.ndarray]:
    times = (np.arange(num_frames) + 0.5) / rate
    return [frame for _, frame in read_frames(film, times, size=SIZE) if isinstance(frame, np.ndarray)]


def answers_of(stream: Stream, frames: list[np.ndarray], *, rate: float = 30.0) -> list[OnlinePrediction]:
    answers = [stream.push(frame, i / rate) for i, frame in enumerate(frames)]
    return [answer for answer in answers if answer is not None]


def said_offline(run: Run, film: MediaSource, seconds: np.ndarray) -> dict[str, np.ndarray]:
    """What the run says of the whole recording at these moments, its earlier frames read from the file."""
    lag = frame_lag(film, LAG_SECONDS)
    pairs = list(read_pairs(film, seconds + 1 / 60, lag_seconds=lag, size=SIZE))
    now, before = (np.stack(each) for each in zip(*[pair[1:] for pair in pairs], strict=True))
    features = np.concatenate(run.engine.run(now, before, lag_seconds=lag), axis=1)
    return {target: np.exp(values) for target, values in run.segmenter.score(features).items()}


@pytest.mark.parametrize(("segmenter", "members"), [("causal", 1), ("causal_tcn", 1), ("causal_tcn", 2)])
def test_streamed_as_the_whole_recording(segmenter: str, members: int, film: MediaSource, tmp_path: Path) -> None:
    run = load_run(save_run(tmp_path, segmenter, members=members), CHOICE)
    answers = answers_of(open_run_stream(run), frames_of(film))
    seconds = np.array([answer.seconds for answer in answers])
    assert len(seconds) == 10 * STEPS and np.diff(seconds).mean() == pytest.approx(1 / STEPS, abs=2e-3)
    offline = said_offline(run, film, seconds)
    for target, shares in offline.items():
        streamed = np.stack([answer.probabilities[target] for answer in answers])
        np.testing.assert_allclose(streamed, shares, atol=1e-5)
        assert np.abs(np.diff(shares, axis=0)).max() > 0.005, "it says the same of everything"
    without = said_offline(run, film, seconds + 2 / 30)
    assert max(np.abs(without[t] - offline[t]).max() for t in offline) > 1e-3


def test_background_is_one_of_the_answers(film: MediaSource, tmp_path: Path) -> None:
    recognizer = Recognizer.load(save_run(tmp_path, "causal", streams=("rgb",)), engine="torch", precision="f32")
    (answer,) = answers_of(recognizer.stream(), frames_of(film)[:1])
    assert {name for name, _ in answer.top("verb")} == {"open", "close", "cut", BACKGROUND_NAME}
    assert {name for name, _ in answer.top("action", 9)} >= {BACKGROUND_NAME, "open door", "cut fridge"}
    assert answer.covered_seconds == 0


def test_a_frame_that_stays_counts_for_all_steps_that_it_is_shown(film: MediaSource, tmp_path: Path) -> None:
    """One frame a second: four steps each, as `predict` has them."""
    run = load_run(save_run(tmp_path, "causal", streams=("rgb",)), CHOICE)
    frames = frames_of(film)[::30]
    answers = answers_of(open_run_stream(run), frames, rate=1.0)
    features = run.engine.run(np.stack(frames))[0]
    steps = [i // STEPS for i in range((len(frames) - 1) * STEPS + 1)]
    offline = run.segmenter.score(features[steps])
    streamed = np.stack([answer.probabilities["verb"] for answer in answers])
    np.testing.assert_allclose(streamed, np.exp(offline["verb"])[::STEPS], atol=1e-5)
    assert answers[-1].covered_seconds == pytest.approx(6.0), "no more than the segmenter looks back"


@pytest.mark.parametrize("segmenter", ["causal", "causal_tcn"])
def test_after_a_gap_and_when_cleared_it_begins_anew(segmenter: str, film: MediaSource, tmp_path: Path) -> None:
    run = load_run(save_run(tmp_path, segmenter), CHOICE)
    frames, stream = frames_of(film), open_run_stream(run)
    fresh = answers_of(stream, frames[100:200])
    stream.clear()
    before = answers_of(stream, frames[:100])
    late = 99 / 30 + GAP_SECONDS + 0.01
    after = [stream.push(frame, late + i / 30) for i, frame in enumerate(frames[100:200])]
    assert after[0] is not None and after[0].covered_seconds == 0 < before[-1].covered_seconds
    for a, b in zip([answer for answer in after if answer is not None], fresh, strict=True):
        np.testing.assert_allclose(a.probabilities["verb"], b.probabilities["verb"], atol=1e-6)
    stream.clear()
    answers_of(stream, frames[:100])
    soon = [stream.push(frame, 99 / 30 + 1 + i / 30) for i, frame in enumerate(frames[100:103])]
    assert soon[0] is not None and soon[0].covered_seconds > before[-1].covered_seconds * 0.5
    assert np.abs(soon[0].probabilities["verb"] - fresh[0].probabilities["verb"]).max() > 1e-3


@pytest.mark.parametrize(
    ("segmenter", "streams"), [("causal", ("difference", "motion")), ("causal_tcn", ("difference",))]
)
def test_memory_is_the_same_after_minutes(
    segmenter: str, streams: tuple[StreamName, ...], film: MediaSource, tmp_path: Path
) -> None:
    run = load_run(save_run(tmp_path, segmenter, streams=streams), CHOICE)
    stream, frames = open_run_stream(run), frames_of(film)

    def go(first: int, last: int) -> None:
        for i in range(first, last):
            stream.push(frames[i % 30], i / 30)

    go(0, 200)  # more than the segmenter looks back
    tracemalloc.start()
    try:
        go(200, 400)
        gc.collect()
        early = tracemalloc.get_traced_memory()[0]
        go(400, 1300)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - early < 200_000, (
            "900 frames are 2.5 MB; numpy keeps some small blocks"
        )
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rate", [5, 10, 15, 24, 25, 29.97, 30, 60])
def test_the_earlier_frame_is_a_whole_number_of_frames_before(rate: float) -> None:
    kept, expected = EarlierFrames(LAG_SECONDS), max(round(LAG_SECONDS * rate), 1)
    for i in range(200):
        found = kept.before(i / rate)
        assert (None if found is None else round(found[0] * rate)) == (max(i - expected, 0) if i else None)
        kept.add(np.zeros(1), i / rate)
        assert len(kept) <= expected + 2


def test_a_lost_frame_is_replaced_by_the_nearest_one() -> None:
    kept = EarlierFrames(LAG_SECONDS)
    times = [0, 1 / 30, 2 / 30, 5 / 30]
    for before, seconds in pairwise(times):
        kept.add(np.zeros(1), before)
        assert kept.before(seconds) is not None
    found = kept.before(6 / 30)
    assert found is not None and found[0] == pytest.approx(2 / 30)
    assert kept.before(2 / 30 + GAP_SECONDS + 0.1) is None


@pytest.mark.parametrize("segmenter", ["linear", "mstcn", "gru"])
def test_what_looks_into_the_future_is_refused(segmenter: str, tmp_path: Path) -> None:
    options = {"linear": {}, "mstcn": {"layers": 3}, "gru": {}}[segmenter]
    run = save_run(tmp_path / "run", "causal")
    config = TrainedSegmenter.load(run).config
    changed = SegmenterConfig(segmenter, config.vocabularies, config.backbones, rate=8, options=options)
    TrainedSegmenter(changed, changed.build()).save(run)
    told = f"its segmenter, {segmenter}, looks into the future .* --segmenter causal$"
    with pytest.raises(ArtifactError, match=told) as refusal:
        open_run_stream(load_run(run, CHOICE))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("options", [{"rate": 15.0}, {"window_seconds": (1.0,)}])
def test_steps_are_as_frequent_as_in_training(options: dict[str, object], tmp_path: Path) -> None:
    run = load_run(save_run(tmp_path, "causal"), CHOICE)
    with pytest.raises(ValueError, match="4 frames a second, one by one; leave --rate and --window-seconds away"):
        open_run_stream(run, **options)  # type: ignore[arg-type]
    assert open_run_stream(run, rate=4.0).wants(0.0)

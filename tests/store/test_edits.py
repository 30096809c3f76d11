"""Whatever people do to the rows of a labels file, no moment of a recording is computed twice, and none is lost.

The real `Extraction` and store, on recordings that are made up: a frame of theirs says which moment it shows.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from egoact.core.annotations.segments import SegmentTable, group_by_recording, read_segments
from egoact.core.errors import EndOfRecordingError
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.engines.streams import one_stream
from egoact.extraction import decoding
from egoact.extraction.extraction import Extraction
from egoact.extraction.wanted import WantedMoments
from egoact.media.sources import MediaSource
from egoact.store.layout.failures import read_failures
from egoact.store.layout.index import INDEX_NAME, grid_moments
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.store.writer import StoreWriter
from tests.makers.data.features import other_spec

Row = tuple[str, float, float, str]

SPEC = other_spec(input_size=(2, 2))
RATE = SPEC.rate
SAMPLING = ClipSampling(num_frames=5, num_views=2)
END_SECONDS = 11.28  # of each recording: ninety steps, and a little that is less than one
NUM_STEPS = 90
REST_END_SECONDS = (NUM_STEPS + 1) / RATE
SHORTEST = 0.1

STARTS = st.integers(0, 43).map(lambda number: number / 4)
SPANS = st.one_of(
    st.tuples(STARTS, st.sampled_from((SHORTEST, 0.53, 2.0))),
    st.sampled_from((9.0, 11.0, 11.1, 11.26)).map(lambda start: (start, END_SECONDS - start)),
)
VERBS = st.sampled_from(("take", "put"))
ROWS = st.tuples(st.sampled_from("AB"), SPANS, VERBS).map(lambda parts: (parts[0], *parts[1], parts[2]))
PLACES = st.integers(0, 20)
WAYS = st.sampled_from(("steps", "exact", "whole"))
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), ROWS),
        st.tuples(st.sampled_from(("delete", "move row", "move times", "rename", "split")), PLACES),
        st.tuples(st.just("sort"), st.none()),
        st.tuples(st.just("extract"), st.tuples(WAYS, st.none() | st.integers(1, 20))),
    ),
    min_size=2,
    max_size=14,
)


def edit(rows: list[Row], what: str, how: object) -> list[Row]:
    """The rows after one edit of a person."""
    if what == "insert":
        return [how, *rows]  # type: ignore[list-item]
    if what == "sort":
        return sorted(rows)
    if not rows:
        return rows
    at = int(how) % len(rows)  # type: ignore[call-overload]
    video, start, length, verb = rows[at]
    before, after = rows[:at], rows[at + 1 :]
    if what == "delete":
        return [*before, *after]
    if what == "move row":
        return [*before, *after, rows[at]]
    if what == "move times":
        return [*before, (video, (start + 0.3) % 9, length, verb), *after]
    if what == "rename":
        return [*before, (video, start, length, f"{verb}s"), *after]
    half = length / 2
    if half < SHORTEST:
        return rows
    return [*before, (video, start, half, verb), (video, start + half, half, verb), *after]


def write(path: Path, rows: list[Row]) -> SegmentTable:
    """A labels file without ids: egoact has to make them from the rows."""
    lines = [f"{video},{start},{start + length},{verb}" for video, start, length, verb in rows]
    path.write_text("\n".join(["video_id,start_seconds,stop_seconds,verb", *lines]) + "\n", encoding="utf-8")
    return read_segments(path)


class MadeRecordings:
    """Finds recordings that there are none of."""

    def find(self, video_id: str) -> MediaSource:
        return MediaSource(video_id, Path(video_id), "folder")


def read_made_frames(source: MediaSource, times: np.ndarray, **_: object) -> Iterator[tuple[slice, object]]:
    """A picture for each moment, which holds the name of the recording and the microseconds."""
    num_there = int((times < END_SECONDS).sum())
    for number, moment in enumerate(to_microseconds(times[:num_there]).tolist()):
        content = ord(source.video_id).to_bytes() + moment.to_bytes(11)
        yield slice(number, number + 1), np.frombuffer(content, dtype=np.uint8).reshape(2, 2, 3)
    if num_there < len(times):
        yield slice(num_there, len(times)), EndOfRecordingError("beyond the end", path=source.path)


@pytest.fixture(autouse=True)
def made_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "read_frames", read_made_frames)


class KilledError(Exception):
    """The process ended here."""


class MadeEngine:
    """Reads moments off the pictures: seconds, milliseconds, microseconds and recording are exact in float16."""

    name, precision, batch_size, graph = "torch", "f32", 8, None

    def __init__(self, killed_after: int | None) -> None:
        self.computed: list[tuple[str, int]] = []
        self._left = killed_after

    def run(self, frames: np.ndarray) -> np.ndarray:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KilledError
        out = np.zeros((len(frames), *SPEC.backbone.feature_shape), dtype=np.float32)
        for row, frame in zip(out, frames, strict=True):
            content = frame.tobytes()
            if content[0]:  # black frames only fill up a batch
                moment = int.from_bytes(content[1:])
                self.computed.append((chr(content[0]), moment))
                row[:4] = moment // 1_000_000, moment // 1000 % 1000, moment % 1000, content[0]
        return out


def stored(path: Path) -> set[tuple[str, int]]:
    """What the store at `path` holds; nothing where there is none."""
    if not (path / INDEX_NAME).exists():
        return set()
    rows = FeatureStore.open(path).index.rows
    return {(video, moment) for video, row in rows.items() for moment in row.moments.tolist()}


def extract(path: Path, table: SegmentTable, way: str, killed_after: int | None) -> int | None:
    """As `egoact extract`; gives how many failed, or None where it was killed, which leaves waste behind."""
    exact = SAMPLING if way == "exact" else None
    wanted = WantedMoments(group_by_recording(table), RATE, is_whole=way == "whole", exact=exact)
    engine, before, failed = MadeEngine(killed_after), stored(path), None
    try:
        with StoreWriter(path, SPEC) as writer:
            failed = Extraction(
                wanted, MadeRecordings(), one_stream(SPEC.backbone, engine), [writer], num_workers=2
            ).go()
    except KilledError:
        (path / "shards/A.npy.part").write_bytes(b"half")
    after, computed = stored(path), set(engine.computed)
    assert len(computed) == len(engine.computed) and not computed & before, "computed twice"
    assert before <= after <= before | computed, "lost"
    assert failed is None or after == before | computed, "lost"
    return failed


def check_answers(path: Path, table: SegmentTable, way: str) -> None:
    """Every clip that ends before its recording shows the right moments."""
    inside = [segment for segment in table if segment.stop_seconds <= END_SECONDS]
    if not inside:
        return
    store = FeatureStore.open(path)
    rows = store.locate(inside, SAMPLING)
    for view, times in enumerate(np.moveaxis(SAMPLING.times(inside), 1, 0)):
        parts = store.gather(rows, views=view)[..., :4].astype(np.int64)
        found = parts[..., 0] * 1_000_000 + parts[..., 1] * 1000 + parts[..., 2]
        assert (parts[..., 3] == [[ord(segment.video_id)] for segment in inside]).all()
        is_exact = found == to_microseconds(times)
        steps = np.minimum(np.floor(times * RATE).astype(np.int64), NUM_STEPS - 1)
        assert (is_exact if way == "exact" else is_exact | (found == grid_moments(steps, rate=RATE))).all()


def check_failed(path: Path, table: SegmentTable, way: str, failed: int) -> None:
    """Only what is not there has failed, and it is told."""
    assert all(failure.start_seconds >= END_SECONDS for failure in read_failures(path))
    if way == "whole":
        assert failed == 0
        assert {video: len(steps) for video, steps in Recordings(FeatureStore.open(path)).items()}.items() >= (
            dict.fromkeys(table.video_ids, NUM_STEPS).items()
        )
    elif way == "exact":
        assert failed == (SAMPLING.times(table) >= END_SECONDS).any(axis=(1, 2)).sum()
    else:
        least, most = (sum(s.stop_seconds > end for s in table) for end in (REST_END_SECONDS, END_SECONDS))
        assert least <= failed <= most
    assert bool(failed) <= (path / "failures.csv").exists()


# Frames of a clip that do not lie in the order of their times: steps and exact moments in one store.
@example(
    first=[("A", 0.0, 0.1, "take"), ("A", 11.0, END_SECONDS - 11.0, "take")],
    edits=[
        ("insert", ("A", 0.0, 0.53, "take")),
        ("insert", ("A", 11.1, END_SECONDS - 11.1, "take")),
        ("extract", ("exact", None)),
        ("extract", ("whole", None)),
        ("insert", ("A", 9.0, END_SECONDS - 9.0, "take")),
        ("insert", ("A", 11.26, END_SECONDS - 11.26, "take")),
    ],
)
@settings(max_examples=60)
@given(first=st.lists(ROWS, min_size=1, max_size=4), edits=EDITS)
def test_no_edit_makes_a_moment_computed_twice_or_lost(first: list[Row], edits: list[tuple[str, object]]) -> None:
    extracted: list[tuple[str, list[Row]]] = []
    with TemporaryDirectory() as folder:
        rows, path = first, Path(folder) / "features"
        for what, how in [*edits, ("extract", ("steps", None))]:
            if what != "extract":
                rows = edit(rows, what, how)
            elif rows:
                way, killed_after = how  # type: ignore[misc]
                table = write(Path(folder) / "labels.csv", rows)
                failed = extract(path, table, way, killed_after)
                if failed is not None:
                    check_failed(path, table, way, failed)
                    assert extract(path, table, way, None) == failed, "the second time nothing is new"
                    extracted.append((way, rows))
        for way, known in extracted:
            check_answers(path, write(Path(folder) / "some.csv", known), way)

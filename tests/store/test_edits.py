"""Whatever people do to the rows of a labels file, no moment of a recording is computed twice, and none is lost."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.annotations.segments import SegmentTable, group_by_recording, read_segments
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.extraction.wanted import WantedMoments
from egoact.store.index import UNKNOWN
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from tests.makers.features import SPEC

Row = tuple[str, float, float, str]

RATE = SPEC.rate
SAMPLING = ClipSampling(num_frames=5, num_views=2)
NUM_STEPS = 90  # of each recording: eleven seconds and a quarter, and no edit goes beyond
QUARTERS = st.integers(0, 32).map(lambda number: number / 4)
ROWS = st.tuples(st.sampled_from("AB"), QUARTERS, st.sampled_from((0.1, 0.75, 2.0)), st.sampled_from(("take", "put")))
PLACES = st.integers(0, 20)
WAYS = st.sampled_from(("steps", "exact", "whole"))
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), ROWS),
        st.tuples(st.sampled_from(("delete", "move row", "move times", "rename", "split")), PLACES),
        st.tuples(st.just("sort"), st.none()),
        st.tuples(st.just("extract"), st.tuples(WAYS, st.booleans())),
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
    return [*before, (video, start, half, verb), (video, start + half, half, verb), *after]


def write(path: Path, rows: list[Row]) -> SegmentTable:
    """A labels file without ids: egoact has to make them from the rows."""
    lines = [f"{video},{start},{start + length},{verb}" for video, start, length, verb in rows]
    path.write_text("\n".join(["video_id,start_seconds,stop_seconds,verb", *lines]) + "\n", encoding="utf-8")
    return read_segments(path)


def features_of(video: str, moments: np.ndarray) -> np.ndarray:
    """What the backbone would say of these moments, float16 (M, D): the seconds, and which recording."""
    values = np.zeros((len(moments), *SPEC.feature_shape), dtype=np.float16)
    values[:, 0], values[:, 1], values[:, 2] = moments // 1_000_000, moments % 1_000_000 / 1000, ord(video)
    return values


def extract(path: Path, table: SegmentTable, computed: list, way: str, *, is_killed: bool) -> None:
    """As `egoact extract`; killed before the second recording is finished."""
    exact = SAMPLING if way == "exact" else None
    wanted = WantedMoments(group_by_recording(table), RATE, is_whole=way == "whole", exact=exact)
    with StoreWriter(path, SPEC) as writer:
        for number, video in enumerate(wanted.video_ids):
            times = wanted.missing(writer.of(video))
            is_there = times * RATE < NUM_STEPS
            num_steps = UNKNOWN if exact or is_there.all() else NUM_STEPS
            moments = to_microseconds(times[is_there])
            with writer.begin() as buffer:
                buffer.append(features_of(video, moments))
                if is_killed and number == 1:
                    (path / "shards" / f"{video}.npy.part").write_bytes(b"half")
                    return
                writer.commit(video, buffer, moments, num_steps=num_steps)
            computed += [(video, moment) for moment in moments.tolist()]
            assert not (wanted.missing(writer.of(video)) * RATE < NUM_STEPS).any(), "asked for again"


@given(first=st.lists(ROWS, min_size=1, max_size=4), edits=EDITS)
def test_no_edit_makes_a_moment_computed_twice_or_lost(first: list[Row], edits: list[tuple[str, object]]) -> None:
    computed: list[tuple[str, int]] = []
    extracted: list[tuple[str, list[Row]]] = []
    with TemporaryDirectory() as folder:
        rows, store = first, Path(folder) / "features"
        for what, how in [*edits, ("extract", ("steps", False))]:
            if what != "extract":
                rows = edit(rows, what, how)
            elif rows:
                way, is_killed = how  # type: ignore[misc]
                extract(store, write(Path(folder) / "labels.csv", rows), computed, way, is_killed=is_killed)
                assert len(set(computed)) == len(computed), "computed twice"
                extracted += [] if is_killed else [(way, rows)]
        if not computed:
            return
        opened = FeatureStore.open(store)
        assert len(opened) == len(computed), "lost"
        for way, known in extracted:
            table = write(Path(folder) / "some.csv", known)
            found = opened.gather(opened.locate(table, SAMPLING), views=1)
            times = SAMPLING.times(table)[:, 1]
            seconds = found[..., 0].astype(float) + found[..., 1].astype(float) / 1000
            assert (found[..., 2] == [[ord(segment.video_id)] for segment in table]).all()
            within = 0.001 if way == "exact" else 0.5 / RATE + 0.001  # features are float16
            assert (np.abs(seconds - times) <= within).all()

"""Whatever people do to the rows of a labels file, no stretch of a recording is computed twice, and none is lost."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from tests.makers.features import SPEC

Row = tuple[str, int, int, str]

ROWS = st.tuples(st.sampled_from("AB"), st.integers(0, 6), st.integers(1, 3), st.sampled_from(("take", "put")))
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), ROWS),
        st.tuples(st.just("delete"), st.integers(0, 20)),
        st.tuples(st.just("move"), st.integers(0, 20)),
        st.tuples(st.just("rename"), st.integers(0, 20)),
        st.tuples(st.just("split"), st.integers(0, 20)),
        st.tuples(st.just("sort"), st.none()),
        st.tuples(st.just("extract"), st.booleans()),
    ),
    min_size=2,
    max_size=12,
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
    rest = rows[:at] + rows[at + 1 :]
    if what == "delete":
        return rest
    if what == "move":
        return [*rest, rows[at]]
    if what == "rename":
        return [*rows[:at], (video, start, length, f"{verb}s"), *rows[at + 1 :]]
    return [*rows[:at], (video, start, length, verb), (video, start + length, 1, verb), *rows[at + 1 :]]


def write(path: Path, rows: list[Row]) -> SegmentTable:
    """A labels file without ids: egoact has to make them from the rows."""
    lines = [f"{video},{start},{start + length},{verb}" for video, start, length, verb in rows]
    path.write_text("\n".join(["video_id,start_seconds,stop_seconds,verb", *lines]) + "\n", encoding="utf-8")
    return read_segments(path)


def features_of(video: str, start: float, stop: float) -> np.ndarray:
    """What the backbone would say of this stretch, float16 (V, T, D)."""
    random = np.random.default_rng((ord(video), round(start), round(stop)))
    return random.random((SPEC.views, SPEC.num_frames, *SPEC.feature_shape)).astype(np.float16)


def extract(path: Path, table: SegmentTable, computed: list, *, is_killed: bool) -> None:
    """As `egoact extract`; killed before the second recording is finished."""
    with StoreWriter(path, SPEC) as writer:
        missing = writer.missing(table)
        for number, video in enumerate(dict.fromkeys(segment.video_id for segment in missing)):
            shard = writer.begin([segment for segment in missing if segment.video_id == video])
            for place, segment in enumerate(shard.segments):
                values = features_of(video, segment.start_seconds, segment.stop_seconds)
                slots = np.arange(values.shape[0] * values.shape[1]) + place * values.shape[0] * values.shape[1]
                shard.write(slots, values.reshape(-1, *SPEC.feature_shape))
            if is_killed and number == 1:
                shard.finish()  # closes the file, which is left behind as if the process had been killed
                return
            writer.commit(shard)
            computed += [(video, s.start_seconds, s.stop_seconds) for s in shard.segments]


@given(first=st.lists(ROWS, min_size=1, max_size=4), edits=EDITS)
def test_no_edit_makes_a_stretch_computed_twice_or_lost(first: list[Row], edits: list[tuple[str, object]]) -> None:
    computed: list[tuple[str, float, float]] = []
    with TemporaryDirectory() as folder:
        rows, store = first, Path(folder) / "features"
        for what, how in [*edits, ("extract", False)]:
            if what != "extract":
                rows = edit(rows, what, how)
            elif rows:
                table = write(Path(folder) / "labels.csv", rows)
                extract(store, table, computed, is_killed=bool(how))
                assert len(set(computed)) == len(computed), "computed twice"
        if not computed:
            return
        opened = FeatureStore.open(store)
        assert len(opened) == len(computed)
        for video, start, stop in computed:
            table = write(Path(folder) / "one.csv", [(video, int(start), int(stop - start), "take")])
            np.testing.assert_array_equal(opened.gather(opened.rows(table))[0], features_of(video, start, stop)[0])

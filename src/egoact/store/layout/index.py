"""Which moments of which recordings a feature store holds, and where: `recordings.parquet`, the store's commit point.

A moment is known by its recording and its time in microseconds: rows of a CSV may be inserted, deleted, moved, split
or renamed, features stay.

    steps of a grid    (i + 0.5) / rate seconds; a clip's frame between two of them is shown the one it lies in
    exact moments      between the steps, as `egoact extract --exact` was asked for them
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from egoact.core.annotations.parsing import normalise_video_id
from egoact.core.bounds import MOST_SECONDS, MOST_STEPS, check_inside, check_name, check_whole, shorten
from egoact.core.errors import ArtifactError
from egoact.core.files import open_atomically
from egoact.core.sampling import Floats, to_microseconds

INDEX_NAME = "recordings.parquet"
SHARDS_NAME = "shards"
CHUNK_BYTES = 32 << 20  # of features that are held in memory at once
REPAIR = "delete it and run egoact extract again"
UNKNOWN = -1
_MOST_RECORDINGS = 1_000_000
_MOST_BYTES = 2**31  # of the index, decompressed
_COLUMNS = {name: pa.string() for name in ("video_id", "shard", "shard_sha256")}
_COLUMNS |= {"num_steps": pa.int64(), "moments": pa.list_(pa.int64())}
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _COLUMNS.items()])

Moments = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RecordingRow:
    """What a store holds of one recording."""

    video_id: str  # accents taken apart (NFD), as earlier stores may have them, become one character
    shard: str  # file name below `shards/`
    shard_sha256: str  # of its bytes, hex
    num_steps: int  # of the grid, up to the end of the recording; `UNKNOWN` where that was not reached
    moments: Moments = field(repr=False)  # int64 (M,), ascending, microseconds; the rows of the shard

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_id", normalise_video_id(self.video_id))

    def check(self) -> None:
        """Refuse what no recording has: a `ValueError`."""
        check_name("a recording", self.video_id)
        check_name("a shard", self.shard)
        if Path(self.shard).name != self.shard or "\\" in self.shard or self.shard == "..":
            raise ValueError(f"shard {shorten(self.shard)} of {self.video_id} is not a file name")
        check_whole(f"steps of {self.video_id}", self.num_steps, least=UNKNOWN, most=MOST_STEPS)
        moments = self.moments
        if len(moments) and (moments[0] < 0 or moments[-1] > MOST_SECONDS * 10**6 or (np.diff(moments) <= 0).any()):
            raise ValueError(f"those of {self.video_id} do not ascend from 0")

    def find(self, times: Floats, *, rate: int) -> Moments:
        """Row of the shard that shows each of some moments, int64 of the shape of `times`; -1 where there is none.

        That is the moment itself, or the step of the grid it lies in. A recording rarely ends with a whole step: in
        what is left after the last one, the last one is shown.
        """
        exact = self.find_moments(to_microseconds(times))
        steps = np.floor(times * rate).astype(np.int64)
        steps = np.where(steps == self.num_steps, steps - 1, steps)
        return np.where(exact >= 0, exact, self.find_moments(grid_moments(steps, rate=rate)))

    def find_moments(self, wanted: Moments) -> Moments:
        """Rows of the shard that hold these very moments, int64 of the same shape; -1 where there is none."""
        if not len(self.moments):
            return np.full(wanted.shape, -1)
        found = np.minimum(np.searchsorted(self.moments, wanted), len(self.moments) - 1)
        return np.where(self.moments[found] == wanted, found, -1)


def grid_moments(steps: Moments, *, rate: int) -> Moments:
    """When the steps of a grid are, in microseconds."""
    return to_microseconds((steps + 0.5) / rate)


def _numbers(values: pa.Array) -> Moments:
    """As int64, without a copy; pyarrow's own `to_numpy` imports pandas, which takes longer than to read the index."""
    if values.null_count:
        raise ValueError("a moment is absent")
    if not len(values):
        return np.empty(0, dtype=np.int64)
    return np.frombuffer(values.buffers()[1], dtype=np.int64)[values.offset : values.offset + len(values)]


def _array(kind: pa.DataType, values: Sequence[Any] | Moments) -> pa.Array:
    """Whole numbers, texts, or lists of numbers, made of buffers: `pa.array` imports pandas, too."""
    if kind == pa.int64():
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.asarray(values, dtype=np.int64))])
    parts = [value.encode() for value in values] if kind == pa.string() else values
    buffers = [None, pa.py_buffer(np.cumsum([0, *map(len, parts)], dtype=np.int32))]
    if kind == pa.string():
        return pa.Array.from_buffers(kind, len(parts), [*buffers, pa.py_buffer(b"".join(parts))])
    numbers = _array(kind.value_type, np.concatenate([np.empty(0, dtype=np.int64), *parts]))
    return pa.Array.from_buffers(kind, len(parts), buffers, children=[numbers])


class StoreIndex:
    """Recordings by name, in the order of names; of two rows with one name the one with more moments. Immutable."""

    def __init__(self, rows: Iterable[RecordingRow] = ()) -> None:
        self.rows = {row.video_id: row for row in sorted(rows, key=lambda row: (row.video_id, len(row.moments)))}

    @classmethod
    def read(cls, folder: Path) -> "StoreIndex":
        """Read the index of the store in `folder`; an `ArtifactError` where it cannot be read or lacks columns."""
        path = folder / INDEX_NAME
        try:
            check_inside(path, folder)
            # pyarrow's memory map would be cut from under us when the file is replaced; `read_table` imports pandas.
            with pq.ParquetFile(path, memory_map=False) as file:
                claimed = file.metadata
                numbers = sum(claimed.row_group(i).total_byte_size for i in range(claimed.num_row_groups))
                if claimed.num_rows > _MOST_RECORDINGS or numbers > _MOST_BYTES:
                    raise ValueError(f"{claimed.num_rows:,} recordings in {numbers:,} bytes")
                table = file.read().select(SCHEMA.names)
            table = table if table.schema.equals(SCHEMA) else table.cast(SCHEMA)  # which imports as much as pandas
            *columns, moments = (column.combine_chunks() for column in table.columns)
            values = zip(*(column.to_pylist() for column in columns), strict=True)
            rows = [
                RecordingRow(video_id, shard, digest, num_steps, _numbers(each.values))
                for (video_id, shard, digest, num_steps), each in zip(values, moments, strict=True)
            ]
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            how = "restore it, or delete the folder and run egoact extract again"
            raise ArtifactError(f"the index of the feature store is damaged ({error}); {how}", path=path) from None
        for row in rows:
            try:
                row.check()
            except ValueError as error:
                raise ArtifactError(f"the index names impossible moments ({error})", path=path) from None
        return cls(rows)

    def write(self, folder: Path) -> None:
        """Replace the index of the store in `folder`, atomically."""
        columns = [_array(kind, [getattr(row, name) for row in self.rows.values()]) for name, kind in _COLUMNS.items()]
        table = pa.Table.from_arrays(columns, schema=SCHEMA)
        with open_atomically(folder / INDEX_NAME) as file:
            # Steps of a grid are evenly spaced: as differences an hour of them takes a few hundred bytes.
            encodings = {"moments.list.element": "DELTA_BINARY_PACKED"}
            pq.write_table(table, file, use_dictionary=False, column_encoding=encodings)

    def __len__(self) -> int:
        """How many moments there are."""
        return int(self.ends[-1]) if self.rows else 0

    @cached_property
    def video_ids(self) -> tuple[str, ...]:
        """Of the recordings; position i is shard number i."""
        return tuple(self.rows)

    @cached_property
    def ends(self) -> Moments:
        """int64 (num_recordings,): moments of the recordings up to and with each."""
        return np.cumsum([len(row.moments) for row in self.rows.values()], dtype=np.int64)

    @cached_property
    def starts(self) -> dict[str, int]:
        """video_id -> number of its first moment among those of all recordings."""
        return dict(zip(self.rows, [0, *self.ends[:-1].tolist()], strict=False))

    def shard_path(self, folder: Path, number: int) -> Path:
        """Where a shard is."""
        return folder / SHARDS_NAME / self.rows[self.video_ids[number]].shard

"""Which stretches of which recordings a feature store holds, and where: `segments.parquet`, the store's commit point.

The key is recording, start and stop: rows of a CSV may be inserted, deleted, sorted or renamed, features stay.

Rows are always in the same order (video, start, stop, id), however many runs it took to fill the store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.files import open_atomically

INDEX_NAME = "segments.parquet"
SHARDS_NAME = "shards"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One segment in the store, as it was in the CSV when its features were computed."""

    narration_id: str  # for people, the store does not go by it
    video_id: str
    start_seconds: float
    stop_seconds: float
    shard: str  # file name below `shards/`
    offset: int  # row of the shard
    shard_sha256: str  # of its bytes, hex


_TYPES: dict[Any, pa.DataType] = {str: pa.string(), float: pa.float64(), int: pa.int64()}
SCHEMA = pa.schema([pa.field(field.name, _TYPES[field.type], nullable=False) for field in fields(IndexRow)])


def stretch_of(item: Segment | IndexRow) -> tuple[str, float, float]:
    """What features belong to: recording, start and stop in seconds."""
    return item.video_id, item.start_seconds, item.stop_seconds


def canonical_order(item: Segment | IndexRow) -> tuple[float, float, str]:
    """Sort key inside a video."""
    return item.start_seconds, item.stop_seconds, item.narration_id


class StoreIndex:
    """The rows of the index, in canonical order; immutable."""

    def __init__(self, rows: Iterable[IndexRow] = ()) -> None:
        self.rows = sorted(rows, key=lambda row: (row.video_id, *canonical_order(row)))
        self._by_stretch = {stretch_of(row): i for i, row in enumerate(self.rows)}

    @classmethod
    def read(cls, folder: Path) -> "StoreIndex":
        """Read the index of the store in `folder`; an `ArtifactError` where it cannot be read or lacks columns."""
        path = folder / INDEX_NAME
        try:
            # pyarrow's memory map would be cut from under us when the file is replaced.
            table = pq.read_table(path, memory_map=False)
            columns = table.select(SCHEMA.names).cast(SCHEMA).to_pydict()
            rows = [IndexRow(*values) for values in zip(*columns.values(), strict=True)]
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise ArtifactError(
                f"the index of the feature store is damaged ({error}); restore it, or delete the folder and "
                "run egoact extract again",
                path=path,
            ) from None
        for row in rows:
            if Path(row.shard).name != row.shard or row.offset < 0:
                raise ArtifactError(f"the index names an impossible shard {row.shard!r}", path=path)
        return cls(rows)

    def write(self, folder: Path) -> None:
        """Replace the index of the store in `folder`, atomically."""
        path = folder / INDEX_NAME
        rows = list(map(attrgetter(*SCHEMA.names), self.rows))
        columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
        with open_atomically(path) as file:
            pq.write_table(pa.Table.from_pydict(columns, schema=SCHEMA) if rows else SCHEMA.empty_table(), file)

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, segments: Sequence[Segment]) -> np.ndarray:
        """Row of each segment, int64 (N,); -1 where its stretch of the recording is missing."""
        found = (self._by_stretch.get(stretch_of(segment), -1) for segment in segments)
        return np.fromiter(found, dtype=np.int64, count=len(segments))

    def with_video(self, video_id: str, rows: Iterable[IndexRow]) -> "StoreIndex":
        """The index in which `rows` are all there is of a video."""
        return StoreIndex([*(row for row in self.rows if row.video_id != video_id), *rows])

    def of_video(self, video_id: str) -> list[IndexRow]:
        """The rows of one video, in the order of its shard."""
        return [row for row in self.rows if row.video_id == video_id]

    @cached_property
    def shards(self) -> list[str]:
        """File names of the shards, each once."""
        return sorted({row.shard for row in self.rows})

    @cached_property
    def shard_numbers(self) -> np.ndarray:
        """int64 (num_rows,): index into `shards` of each row."""
        numbers = {shard: number for number, shard in enumerate(self.shards)}
        return np.array([numbers[row.shard] for row in self.rows], dtype=np.int64)

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64 (num_rows,): the row inside its shard."""
        return np.array([row.offset for row in self.rows], dtype=np.int64)

    @cached_property
    def shard_lengths(self) -> np.ndarray:
        """int64 (num_shards,): how many segments each holds."""
        lengths = np.zeros(len(self.shards), dtype=np.int64)
        np.maximum.at(lengths, self.shard_numbers, self.offsets + 1)
        return lengths

    def shard_path(self, folder: Path, number: int) -> Path:
        """Where a shard is."""
        return folder / SHARDS_NAME / self.shards[number]

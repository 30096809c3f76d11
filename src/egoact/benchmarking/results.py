"""What a measurement found: figures with their goals, and tables; written as JSON and CSV."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from egoact.core.files import write_csv, write_json
from egoact.core.machine import describe_machine


@dataclass(frozen=True)
class Figure:
    """One number that matters, None if it could not be measured; its goal is the least it should be, or the most."""

    name: str
    value: float | None
    unit: str
    goal: float | None = None
    is_most: bool = False

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None if there is nothing to say."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.is_most else self.value >= self.goal


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers, None where there is none.

    Args:
        name: Of its CSV file, after that of the room.
        columns: Names with units.
        bars: The column that is drawn as bars.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    bars: str | None = None


@dataclass(frozen=True)
class Scatter:
    """A picture of a table's rows as points; one part a column that is drawn to the right.

    Args:
        xs: Columns of costs.
        y: Column of what they buy.
        group: Column that has a colour for each value, as `mark` has a shape.
        name: Columns that name a row.
        best: Column that is not empty where a row is on the Pareto front.
    """

    table: str
    xs: Sequence[str]
    y: str
    group: str
    mark: str
    name: Sequence[str]
    best: str


@dataclass(frozen=True)
class Results:
    """All that a room found; `text` says in a few sentences how it was measured, `figures` are what matters."""

    title: str
    text: str
    tables: Sequence[Table]
    figures: Sequence[Figure] = ()
    scatter: Scatter | None = None


def write_results(out: Path, what: str, results: Results) -> None:
    """`WHAT.json` for the page, and `WHAT_TABLE.csv` for each table."""
    figures = [asdict(figure) | {"is_reached": figure.is_reached} for figure in results.figures]
    for table in results.tables:
        write_csv(out / f"{what}_{table.name}.csv", [table.columns, *table.rows])
    values = asdict(results) | {"figures": figures}
    if results.scatter is None:
        del values["scatter"]
    write_json(out / f"{what}.json", {"what": what, "machine": describe_machine(), **values})

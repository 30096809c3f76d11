"""What a measurement found: figures with their goals, and tables; written as JSON and CSV."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from egoact.core.files import write_json
from egoact.core.machine import describe_machine


@dataclass(frozen=True)
class Figure:
    """One number that matters.

    Args:
        name: What it is.
        value: The number; None if it could not be measured here.
        unit: Of it.
        goal: What we want it to reach; None: nothing.
        is_most: Whether the goal is the most it may be, rather than the least.
    """

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
    """Rows of numbers.

    Args:
        name: Of its CSV file, after that of the room.
        title: For people.
        columns: Names with units.
        rows: Text and numbers; None where there is none.
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
        table: Its name.
        xs: Columns of costs.
        y: Column of what they buy.
        group: Column that has a colour for each value.
        mark: Column that has a shape for each value.
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
    """All that a room found.

    Args:
        title: For people.
        text: How it was measured, in a few sentences.
        tables: The numbers.
        figures: Those that matter.
        scatter: A picture of one of the tables.
    """

    title: str
    text: str
    tables: Sequence[Table]
    figures: Sequence[Figure] = field(default=())
    scatter: Scatter | None = None


def write_results(out: Path, what: str, results: Results) -> None:
    """`WHAT.json` for the page, and `WHAT_TABLE.csv` for each table."""
    figures = [asdict(figure) | {"is_reached": figure.is_reached} for figure in results.figures]
    for table in results.tables:
        with (out / f"{what}_{table.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            writer.writerows(table.rows)
    tables = [asdict(table) for table in results.tables]
    found: dict[str, Any] = {"title": results.title, "text": results.text, "figures": figures, "tables": tables}
    if results.scatter is not None:
        found["scatter"] = asdict(results.scatter)
    write_json(out / f"{what}.json", {"what": what, "machine": describe_machine(), **found})

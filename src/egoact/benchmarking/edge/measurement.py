"""`egoact bench edge`: what smaller pictures, networks and numbers cost in accuracy, and save on a device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egoact.benchmarking.edge.exports import NUM_ROUNDS, PACKAGES, Edge, Measured, is_installed, list_variants
from egoact.benchmarking.edge.questions import spread
from egoact.benchmarking.results import Figure, Results, Scatter, Table
from egoact.benchmarking.workload import Workload
from egoact.core.annotations.segments import SegmentTable
from egoact.runs.provenance import Provenance, warn

_NUM_QUICK_ROUNDS = 20


def measure(work: Workload) -> Results:
    """Export and measure every run in every format and precision.

    Raises:
        InputError: Runs or recordings that cannot be used.
        ValueError: Not one can be exported and measured here.
    """
    assert work.command is not None and work.segments is not None
    root, table = work.recordings()
    table = spread(table, work.num_clips)
    edge = Edge(
        command=work.command,
        folder=work.out / "exports",
        root=root,
        media=work.media,
        table=table,
        segments=(work.segments,),
        rounds=_NUM_QUICK_ROUNDS if work.is_quick else NUM_ROUNDS,
        weights=work.weights,
    )
    found, refusals = edge.measure(list_variants(work.runs))
    costs = [(-m.accuracy, m.milliseconds, m.megabytes, m.cpu_milliseconds) for m in found]
    rows = [_row(m, is_best, work.watts) for m, is_best in zip(found, pareto_front(costs), strict=True)]
    rows.sort(key=lambda row: (-row["accuracy, %"], row["ms"]))
    values = [list(row.values()) for row in rows]
    tables = [Table("exports", "Accuracy, latency, size and energy", list(rows[0]), values)]
    if refusals:
        tables.append(Table("left_out", "Left out", ("why",), [[refusal] for refusal in refusals]))
    return Results(
        title=f"{len(found)} exports of {len(work.runs)} run{'s' if len(work.runs) > 1 else ''} for the edge",
        text=_describe(edge, work, found),
        tables=tables,
        figures=_figures(found, work.watts),
        scatter=Scatter(
            "exports",
            xs=("ms", "MB"),
            y="accuracy, %",
            group="run",
            mark="format",
            name=("run", "format", "precision"),
            best="Pareto",
        ),
    )


def pareto_front(costs: Sequence[tuple[float, ...]]) -> list[bool]:
    """Whether nothing else is at least as good in everything and better in something.

    >>> pareto_front([(1, 5), (2, 4), (2, 5), (3, 3)])
    [True, True, False, True]
    """
    values = np.array(costs)
    return [not bool(((values <= each).all(1) & (values < each).any(1)).any()) for each in values]


def _row(measured: Measured, is_best: bool, watts: float) -> dict[str, Any]:
    variant, memory = measured.variant, measured.memory_megabytes
    return {
        "Pareto": "●" if is_best else "",
        "run": variant.run_name,
        "pixels": measured.pixels,
        "format": variant.format,
        "precision": variant.precision,
        "accuracy, %": round(measured.accuracy, 1),
        "ms": round(measured.milliseconds, 2),
        "CPU ms": round(measured.cpu_milliseconds, 2),
        "mJ": round(measured.cpu_milliseconds * watts, 1),
        "MB": round(measured.megabytes, 2),
        "memory, MB": None if memory is None else round(memory, 1),
    }


def _figures(found: Sequence[Measured], watts: float) -> list[Figure]:
    accurate = max(found, key=lambda m: (m.accuracy, -m.milliseconds))
    fast, small = (min(found, key=lambda m: getattr(m, by)) for by in ("milliseconds", "megabytes"))
    return [
        Figure(f"most accurate: {accurate.variant.name}", round(accurate.accuracy, 1), "%"),
        Figure(f"fastest: {fast.variant.name}", round(fast.milliseconds, 2), "ms"),
        Figure(f"smallest: {small.variant.name}", round(small.megabytes, 2), "MB"),
    ]


def _describe(edge: Edge, work: Workload, found: Sequence[Measured]) -> str:
    where = "one core" if found[0].cores == 1 else f"{found[0].cores} cores"
    disturbed = sum(measured.is_disturbed for measured in found)
    busy = (
        f"Others used the core while {disturbed} of {len(found)} were measured: CPU ms is nearer to the truth than ms."
    )
    absent = ", ".join(kind for kind in PACKAGES if not is_installed(kind))
    count = found[0].num_judged
    return " ".join(
        [
            "Each run was exported without the graph of the whole, and answered in a process of its own.",
            "ms: a frame in memory to its features and the last ones to an answer, the median of "
            f"{edge.rounds} on {where} of this machine; another one has other times.",
            f"mJ: an estimate of the energy for it, CPU time at {work.watts:g} W a core (--watts).",
            "MB: all files of the folder. Memory: the most that the process had, Python and libraries included.",
            f"Accuracy: {found[0].criterion} {count} segments, each of which is {100 / count:.1f} points.",
            "● marks the Pareto front: no other is as good in accuracy, ms, MB and mJ, and better in one of them.",
            *([f"Not tried, since their libraries are not installed here: {absent}."] if absent else []),
            *([busy] if disturbed else []),
            *_warn(work.runs, edge.table),
        ]
    )


def _warn(runs: Sequence[Path], table: SegmentTable) -> list[str]:
    """What has to be said of runs that know the recordings."""
    known = {run: Provenance.read(run) for run in runs}
    return [f"{run.name}: {note}" for run, each in known.items() if each for note in warn(each.describe(table))]

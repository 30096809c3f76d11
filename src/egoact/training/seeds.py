"""What runs that differ in their seed alone reach together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egoact.core.bounds import load_json
from egoact.core.files import write_json
from egoact.training.cross_validation import describe_target, summarize
from egoact.training.run_folder import METRICS_NAME

SEEDS_NAME = "seeds.json"


def summarize_seeds(out: Path, runs: Sequence[Path], *, seeds: Sequence[int]) -> str:
    """Write the means and standard deviations of the runs' validation metrics; gives a line a target."""
    measured = [load_json(run / METRICS_NAME) for run in runs]
    targets = [target for target in ("verb", "noun", "action") if target in measured[0]]
    numbers = [
        {t: {k: v for k, v in metrics[t].items() if isinstance(v, int | float)} for t in targets}
        for metrics in measured
    ]
    summary = summarize(numbers)
    content = {"seeds": list(seeds), "num_segments": measured[0]["num_segments"], "summary": summary}
    write_json(out / SEEDS_NAME, content)
    return "\n".join(f"{describe_target(t, measures)}, over {len(runs)} seeds" for t, measures in summary.items())


def mean_of_seeds(out: Path) -> dict[str, Any]:
    """What the runs reach in the mean, as the metrics.json of one has it."""
    found = load_json(out / SEEDS_NAME)
    means = {t: {name: each["mean"] for name, each in m.items()} for t, m in found["summary"].items()}
    return {"num_segments": found["num_segments"], **means}

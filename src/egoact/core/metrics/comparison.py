"""Several models that answered the same segments: ranks in, one table of numbers out; knows nothing about files.

Shapes: `N` segments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from egoact.core.defaults import NUM_BOOTSTRAP_DRAWS
from egoact.core.metrics.protocol import Ranked
from egoact.core.metrics.significance import Draws, VideoBootstrap, adjust_holm, mcnemar_exact, percentile_interval


def compare_models(
    models: Mapping[str, Mapping[str, Ranked]],
    video_ids: Sequence[str],
    *,
    reference: str,
    num_draws: int = NUM_BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Accuracies with 95 % intervals over videos, and each model against the reference.

        {model: {target: {"top1": {"value", "low", "high"}, "top5": {...}, "mean_class": {...},
                          "against": {"difference", "low", "high", "num_only_this", "num_only_reference",
                                      "p", "p_holm"}}}}

    The intervals are absent where there is one video only; "against" is absent for the reference itself, and where
    it has not learned the target. `p_holm` corrects for the other models of the same target.

    Args:
        models: Name -> target -> the ranks of the true answers, as from `rank_answers`, in the order of `video_ids`.
        video_ids: The recording of each of N segments.
        reference: The model that the others are compared with.
        num_draws: Of videos, for the intervals.
        seed: Of those draws.

    Raises:
        ValueError: No such reference, or ranks of another number of segments.
    """
    if reference not in models:
        raise ValueError(f"the reference {reference!r} is none of {', '.join(models)}")
    if wrong := [name for name, ranks in models.items() for r in ranks.values() if len(r.better) != len(video_ids)]:
        raise ValueError(f"{wrong[0]} has other than {len(video_ids)} segments")
    bootstrap = None
    if len(set(video_ids)) > 1:
        bootstrap = VideoBootstrap(video_ids, num_draws=num_draws, seed=seed)
    table = {
        name: {target: _measure(ranked, bootstrap) for target, ranked in ranks.items()}
        for name, ranks in models.items()
    }
    for target, of_reference in models[reference].items():
        others = [name for name, ranks in models.items() if target in ranks and name != reference]
        found = {name: _set_against(models[name][target], of_reference, bootstrap) for name in others}
        adjusted = adjust_holm([part["p"] for part in found.values()])
        for (name, part), p_holm in zip(found.items(), adjusted, strict=True):
            table[name][target]["against"] = part | {"p_holm": p_holm}
    return table


def _measure(ranked: Ranked, bootstrap: VideoBootstrap | None) -> dict[str, dict[str, float]]:
    summary = ranked.summary()
    measures = {measure: {"value": summary[measure]} for measure in ("top1", "top5", "mean_class")}
    if bootstrap is not None:
        right = ranked.better < 1
        measures["top1"] |= _interval(bootstrap.accuracy(right))
        measures["top5"] |= _interval(bootstrap.accuracy(ranked.better < 5))
        measures["mean_class"] |= _interval(bootstrap.mean_class_accuracy(right, ranked.labels))
    return measures


def _set_against(this: Ranked, reference: Ranked, bootstrap: VideoBootstrap | None) -> dict[str, float]:
    """Top-1 of one model minus that of another; the interval is of the same draws of videos for both."""
    ours, theirs = this.better < 1, reference.better < 1
    num_only_this, num_only_reference = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    part = {
        "difference": float(100 * (ours.mean() - theirs.mean())),
        "num_only_this": num_only_this,
        "num_only_reference": num_only_reference,
        "p": mcnemar_exact(num_only_this, num_only_reference),
    }
    return part if bootstrap is None else part | _interval(bootstrap.accuracy(ours) - bootstrap.accuracy(theirs))


def _interval(draws: Draws) -> dict[str, float]:
    low, high = percentile_interval(draws)
    return {"low": low, "high": high}

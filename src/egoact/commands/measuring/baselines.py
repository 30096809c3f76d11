"""`egoact baselines`: what labels alone achieve in EPIC-KITCHENS' tasks, for any segments with verbs and nouns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from egoact.commands.flags import check_least


@dataclass(frozen=True, kw_only=True)
class BaselinesSettings:
    """Measure what labels alone achieve: answers that every model should beat, and that need no video.

    Anticipation: the most frequent classes of training (prior), and what follows the last two actions there (grammar),
    which it is told. The measure is the challenge's, class-mean top-5 recall.

    Detection: the most frequent actions of training, listed all over the recordings (prior), by mean average precision.
    """

    task: Literal["anticipation", "detection"] = "anticipation"
    """Which task of the challenge."""
    train: tuple[Path, ...]
    """CSV of the training segments, or several."""
    validation: tuple[Path, ...]
    """CSV of the segments that are asked for, or several."""
    annotations: Path | None = None
    """Folder with class files, tail lists and unseen participants, for the official parts of the result."""
    gap: float = 1.0
    """Anticipation: seconds from the last thing that is seen to the beginning of the action."""
    out: Path | None = None
    """Also write baselines.json into this folder."""

    def __post_init__(self) -> None:
        check_least(self, 0, "gap")


def baselines(settings: BaselinesSettings) -> int:
    """Print the figures; 0, or an error."""
    from egoact.commands.labels import read_and_tell
    from egoact.core.files import write_json
    from egoact.evaluation.label_baselines import LabelledSets, anticipation_baselines, detection_baselines

    train, validation = (read_and_tell(paths) for paths in (settings.train, settings.validation))
    sets = LabelledSets.of(train, validation, annotations=settings.annotations)
    print(f"{len(train):,} training segments, {len(validation):,} validation segments")
    told: dict[str, Any] = {"task": settings.task}
    if settings.task == "detection":
        measured = detection_baselines(sets)
        lines = _detection_table(measured)
    else:
        measured = anticipation_baselines(sets, gap_seconds=settings.gap, annotations=settings.annotations)
        lines = _anticipation_table(measured)
        told["gap_seconds"] = settings.gap
    print("\n".join(lines))
    if settings.out is not None:
        write_json(settings.out / "baselines.json", told | measured)
    return 0


def _detection_table(measured: dict[str, Any]) -> list[str]:
    """Mean average precision, a line for each baseline and threshold."""
    lines = [f"{'mAP, %':<28}{'verb':>8}{'noun':>8}{'action':>8}"]
    for name, metrics in measured.items():
        for least in metrics["verb"]:
            where = "mean" if least == "mean" else f"tIoU {least}"
            cells = [f"{metrics[target][least]:8.2f}" for target in ("verb", "noun", "action")]
            lines.append(f"{name + ', ' + where:<28}{''.join(cells)}")
    return lines


def _anticipation_table(measured: dict[str, Any]) -> list[str]:
    """Class-mean top-5 recall, a line for each part of the segments and each baseline."""
    from egoact.core.metrics.protocol import MEASURE

    lines = [f"{'class-mean top-5 recall, %':<28}{'verb':>8}{'noun':>8}{'action':>8}"]
    for part in ("all", "unseen", "tail"):
        for name, metrics in measured.items():
            figures = metrics if part == "all" else metrics.get(part)
            if figures:
                cells = [f"{figures[t][MEASURE]:8.2f}" if t in figures else " " * 8 for t in ("verb", "noun", "action")]
                lines.append(f"{name + ', ' + part:<28}{''.join(cells)}")
    return lines

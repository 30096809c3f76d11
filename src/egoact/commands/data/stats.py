"""`egoact stats`: how often each class occurs, how long actions last, who did them; tables for any segments CSV.

Writes `summary.json` and, as CSV, `verbs`, `nouns`, `verb_categories`, `noun_categories`, `verb_noun_pairs`,
`durations` and `participants`: those that the labels allow. Of timelines it writes `statistics.csv` and their pages.
"""

import json
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from egoact.commands.flags import check_least
from egoact.core.defaults import REPETITION_GAP_SECONDS


@dataclass(frozen=True, kw_only=True)
class StatsSettings:
    """Count classes, categories, durations and co-occurrences of a segments CSV, and tell what looks wrong in it.

    With --timeline: how often, how long and how regularly each action is done in timelines, computed anew from their
    actions, so from corrected ones too, with a page that plays the clips behind each number.
    """

    segments: tuple[Path, ...] = ()
    """CSV of segments, or several; labels are optional."""
    timeline: Path | None = None
    """Instead of --segments: a timeline.json or timeline.csv, or a folder of them. In a folder, a timeline.csv that
    was edited counts instead of the timeline.json beside it."""
    out: Path
    """Folder for the tables, pictures and stats.html; of timelines statistics.csv, timeline.json and timeline.html."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings: also tell which of them have no labels, and which are missing. Of
    timelines: where to find footage and durations that the timelines do not name."""
    proxy: bool = True
    """Of timelines: write timeline.mp4, a small H.264 copy for the page, where browsers do not play a recording's
    codec."""
    repetition_gap: float = REPETITION_GAP_SECONDS
    """Of timelines: seconds between an action and the same one again, for them to be repetitions in a row."""
    merge_case: bool = False
    """Labels that differ in case and spaces alone are one class, spelt as most of them are."""
    classes: Path | None = None
    """Folder with the class files, for names and categories; otherwise the words of the CSV are counted."""

    def __post_init__(self) -> None:
        if (self.timeline is None) == (not self.segments):
            raise ValueError("give either --segments or --timeline")
        if self.timeline is not None and (self.merge_case or self.classes is not None):
            raise ValueError("--merge-case and --classes are for --segments, not for --timeline")
        check_least(self, 0, "repetition_gap")


def stats(settings: StatsSettings) -> int:
    """Write the tables; gives how many recordings of timelines were not found."""
    if settings.timeline is not None:
        return _stats_of_timelines(settings, settings.timeline)
    from egoact.commands.labels import read_and_tell
    from egoact.core.annotations.labels import known_vocabularies
    from egoact.core.files import make_folder, write_atomically, write_table
    from egoact.evaluation.label_problems import find_problems
    from egoact.evaluation.label_statistics import count_labels, summarize_labels

    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    vocabularies = known_vocabularies(table, settings.classes)
    labels = {target: vocabulary.encode(table) for target, vocabulary in vocabularies.items()}
    frames = count_labels(table, vocabularies, labels)
    make_folder(settings.out)
    for name, frame in frames.items():
        write_table(settings.out / f"{name}.csv", frame, index=False, float_format="%.6g")
    video_ids = None
    if settings.media:
        from egoact.commands.recordings import open_recordings

        video_ids = open_recordings(settings.media).video_ids
    problems = find_problems(table, vocabularies, video_ids=video_ids)
    summary = summarize_labels(table, labels) | {"tables": sorted(frames), "problems": [asdict(p) for p in problems]}
    write_atomically(settings.out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    print(f"{settings.out}: {', '.join(sorted(frames))} of {len(table)} segments")
    for kind, alike in groupby(problems, key=lambda problem: problem.kind):
        first, *others = alike
        where = f" ({first.where})" if first.where else ""
        print(f"look at: {kind}: {first.what}{where}" + (f", and {len(others)} more" if others else ""))
    return 0


def _stats_of_timelines(settings: StatsSettings, path: Path) -> int:
    from egoact.timelines.corrections import find_timelines
    from egoact.timelines.statistics import find_recordings, write_statistics

    if path.is_dir() and settings.out.resolve().is_relative_to(path.resolve()):
        raise ValueError(f"--out {settings.out} lies in {path}, where timelines are looked for; give another")
    found, num_missing = find_timelines(path), 0
    if settings.media:
        from egoact.commands.recordings import open_recordings

        found, num_missing = find_recordings(found, open_recordings(settings.media))
    write_statistics(found, settings.out, repetition_gap_seconds=settings.repetition_gap, proxy=settings.proxy)
    for one in found.values():
        if one.is_corrected:
            print(f"{one.path}: edited since egoact predict wrote it, and counted as it is now")
    num_actions = sum(len(one.timeline) for one in found.values())
    print(f"{settings.out}: statistics of {num_actions} actions in {len(found)} recording{'s' * (len(found) != 1)}")
    return num_missing

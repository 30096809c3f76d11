"""Answers to the detection challenge: of timelines, by names, and of runs that have other class ids."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.metrics.detection import Detections
from egoact.core.timelines.files import with_class_names
from egoact.core.timelines.timeline import Timeline


def detections_of(
    timelines: Mapping[str, Timeline], vocabularies: Mapping[Target, Vocabulary], *, video_ids: Sequence[str]
) -> Detections:
    """What timelines found in some recordings.

    Args:
        timelines: video_id -> timeline; others than the recordings are left out.
        vocabularies: The classes of verbs and of nouns.
        video_ids: The recordings that must be answered.

    Raises:
        ValueError: A recording without a timeline, an action without verb or noun, or a name of no class.
    """
    ids = {t: {name: class_id for class_id, name in enumerate(v.names)} for t, v in vocabularies.items()}
    rows: list[tuple[int, float, float, int, int, float]] = []
    for video, video_id in enumerate(video_ids):
        if video_id not in timelines:
            raise ValueError(f"there is no timeline of '{video_id}'")
        for action in with_class_names(timelines[video_id], vocabularies):
            where = f"the action of '{video_id}' at {action.start_seconds:g} s"
            if action.verb is None or action.noun is None:
                raise ValueError(f"{where} has no {'noun' if action.verb else 'verb'}; the challenge needs both")
            for target, word in (("verb", action.verb), ("noun", action.noun)):
                if word not in ids[target]:  # type: ignore[index]
                    raise ValueError(f"{where}: '{word}' is the name of no {target} class")
            times = (action.start_seconds, action.stop_seconds)
            rows.append((video, *times, ids["verb"][action.verb], ids["noun"][action.noun], action.confidence))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    videos, verbs, nouns = (table[:, column].astype(np.int64) for column in (0, 3, 4))
    return Detections(tuple(video_ids), videos, table[:, 1:3], verbs, nouns, table[:, 5])


def renumber(found: Detections, ours: Mapping[Target, Vocabulary], theirs: Mapping[Target, Vocabulary]) -> Detections:
    """The same in the class ids of other vocabularies, by the names of the classes.

    Raises:
        ValueError: Verbs or nouns are not known to whoever found them, or a class of theirs has no such name.
    """
    changed = {}
    for target, vocabulary in theirs.items():
        if target not in ours:
            raise ValueError(f"this run does not know {target}s; the challenge needs verbs and nouns")
        ids = {name: class_id for class_id, name in enumerate(vocabulary.names)}
        if missing := [name for name in ours[target].names if name not in ids]:
            raise ValueError(f"'{missing[0]}' is the name of no {target} class")
        table = np.array([ids[name] for name in ours[target].names], dtype=np.int64)
        changed[f"{target}s"] = table[getattr(found, f"{target}s")]
    return replace(found, **changed)

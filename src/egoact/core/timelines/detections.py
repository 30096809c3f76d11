"""Timelines as answers to the detection challenge: names of classes become their ids, confidences become scores."""

from collections.abc import Mapping, Sequence

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

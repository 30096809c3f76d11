"""All actions that a run finds in recordings, in one list by how sure it is of each, for mean average precision.

Other than in a timeline they may overlap, and what is hardly probable counts, too. A detector proposes them; of a
segmenter they are stretches in which its scores are high.
"""

from collections.abc import Sequence

import numpy as np

from egoact.core.metrics.detection import Detections
from egoact.core.timelines.proposals import Proposals, pair_targets, proposals_of_scores, suppress
from egoact.runs.segmenter import TrainedSegmenter
from egoact.timelines.stored import StoredRecordings

MOST = 1000  # of a recording


def detect(segmenter: TrainedSegmenter, features: object) -> Proposals:
    """The detections of a recording with features (F, D), classes (N, targets) of the run, times in steps."""
    shares = {target: np.exp(values) for target, values in segmenter.score(features).items()}
    proposed = segmenter.propose(features)
    if proposed is None:
        proposed = {target: proposals_of_scores(values) for target, values in shares.items()}
    found = suppress(pair_targets(proposed, shares))
    return found.select(np.argsort(-found.scores, kind="stable")[:MOST])


def detect_stored(stored: StoredRecordings, video_ids: Sequence[str]) -> Detections:
    """The detections of recordings of a store; a target that the run does not know has class -1.

    Raises:
        ArtifactError: A recording that is not in the store from beginning to end.
    """
    stored.check_there(video_ids)
    config = stored.segmenter.config
    parts = [detect(stored.segmenter, stored.features(video)) for video in video_ids]
    classes = np.concatenate([part.classes for part in parts])
    columns = dict(zip(config.vocabularies, classes.T, strict=True))
    unknown = np.full(len(classes), -1)
    return Detections(
        tuple(video_ids),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        np.concatenate([part.spans for part in parts]) / config.steps_per_second,
        columns.get("verb", unknown),
        columns.get("noun", unknown),
        np.concatenate([part.scores for part in parts]),
    )

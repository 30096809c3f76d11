"""egoact: recognise what a person does with their hands, from a camera they wear.

The public names are loaded when they are first used, so that `import egoact` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egoact.api import Recognizer
    from egoact.core.annotations.labels import Vocabulary, build_vocabulary, read_vocabulary
    from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
    from egoact.core.metrics.protocol import evaluate_scores
    from egoact.core.timelines.files import read_timelines
    from egoact.core.timelines.metrics import evaluate_timelines
    from egoact.core.timelines.online_prediction import OnlinePrediction
    from egoact.core.timelines.prediction import Prediction
    from egoact.core.timelines.timeline import Timeline, TimelineSegment
    from egoact.store.reader import FeatureStore

__version__ = "0.1.0"

_WHERE = {
    "OnlinePrediction": "egoact.core.timelines.online_prediction",
    "FeatureStore": "egoact.store.reader",
    "Prediction": "egoact.core.timelines.prediction",
    "Recognizer": "egoact.api",
    "Segment": "egoact.core.annotations.segments",
    "SegmentTable": "egoact.core.annotations.segments",
    "Timeline": "egoact.core.timelines.timeline",
    "TimelineSegment": "egoact.core.timelines.timeline",
    "Vocabulary": "egoact.core.annotations.labels",
    "build_vocabulary": "egoact.core.annotations.labels",
    "evaluate_scores": "egoact.core.metrics.protocol",
    "evaluate_timelines": "egoact.core.timelines.metrics",
    "read_segments": "egoact.core.annotations.segments",
    "read_timelines": "egoact.core.timelines.files",
    "read_vocabulary": "egoact.core.annotations.labels",
}

__all__ = [
    "OnlinePrediction",
    "FeatureStore",
    "Prediction",
    "Recognizer",
    "Segment",
    "SegmentTable",
    "Timeline",
    "TimelineSegment",
    "Vocabulary",
    "__version__",
    "build_vocabulary",
    "evaluate_scores",
    "evaluate_timelines",
    "read_segments",
    "read_timelines",
    "read_vocabulary",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'egoact' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""egoact: recognise what a person does with their hands, from a camera they wear.

The public names are loaded when they are first used, so that `import egoact` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egoact.api import Recognizer
    from egoact.core.answers import Answer
    from egoact.core.labels import Vocabulary, build_vocabulary, read_vocabulary
    from egoact.core.metrics import evaluate_scores
    from egoact.core.prediction import Prediction
    from egoact.core.segments import Segment, SegmentTable, read_segments
    from egoact.core.timeline_files import read_timelines
    from egoact.core.timeline_metrics import evaluate_timelines
    from egoact.core.timelines import Timeline, TimelineSegment
    from egoact.data.store import FeatureStore

__version__ = "0.1.0"

_WHERE = {
    "Answer": "egoact.core.answers",
    "FeatureStore": "egoact.data.store",
    "Prediction": "egoact.core.prediction",
    "Recognizer": "egoact.api",
    "Segment": "egoact.core.segments",
    "SegmentTable": "egoact.core.segments",
    "Timeline": "egoact.core.timelines",
    "TimelineSegment": "egoact.core.timelines",
    "Vocabulary": "egoact.core.labels",
    "build_vocabulary": "egoact.core.labels",
    "evaluate_scores": "egoact.core.metrics",
    "evaluate_timelines": "egoact.core.timeline_metrics",
    "read_segments": "egoact.core.segments",
    "read_timelines": "egoact.core.timeline_files",
    "read_vocabulary": "egoact.core.labels",
}

__all__ = [
    "Answer",
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

"""Facts of EPIC-KITCHENS-100: clocks, errata, challenge lists and levels; knows nothing about models.

Source: the data set's published annotations and evaluator (Damen et al., IJCV 2022, arXiv:2006.13256).
"""

import math
import re

_RECORDED_2018 = re.compile(r"P\d\d_\d\d", re.ASCII)
_RECORDED_2020 = re.compile(r"P\d\d_\d\d\d", re.ASCII)
_FRAME_TOLERANCE = 1e-6

NUM_VERBS = 97
NUM_NOUNS = 300

ERRATUM_VIDEOS = frozenset({"P01_109", "P27_103"})
"""Their published RGB and flow frames were wrong for years; frames must be extracted anew from the MP4."""

VERB_CATEGORIES = (
    "access",
    "block",
    "clean",
    "distribute",
    "leave",
    "manipulate",
    "merge",
    "monitor",
    "order",
    "retrieve",
    "sense",
    "split",
    "transition",
)
"""In the usual order of confusion matrices."""

SUPERVISION_LEVELS = {
    "sls_pt": (
        "no pre-training",
        "public images",
        "public images and video",
        "self-supervised on public data",
        "public data and EPIC-KITCHENS",
        "private data",
    ),
    "sls_tl": (
        "no labels",
        "video-level labels",
        "narration timestamps",
        "start and stop times",
        "spatial labels",
        "extra labels",
    ),
    "sls_td": (
        "zero-shot",
        "at most 5 segments per class",
        "at most 25 % of train",
        "train",
        "train and validation",
        "extra data",
    ),
}
"""The challenge's supervision levels: what was used for pre-training, which labels, which training data."""


def frame_rate(video_id: str) -> int | None:
    """Frames per second of the *extracted* RGB frames; None where the id is not EPIC-KITCHENS'.

    60 for two-digit ids (recorded 2018), 50 for three-digit ids (recorded 2020). Never the native rate
    of the MP4: 59.94 drifts by up to 118 frames over a recording.
    """
    if _RECORDED_2018.fullmatch(video_id):
        return 60
    if _RECORDED_2020.fullmatch(video_id):
        return 50
    return None


def frame_index(seconds: float, *, rate: float) -> int:
    """The extracted frame that shows a moment; 1-based: `frame_0000000001.jpg` is time 0.

    >>> frame_index(0.5, rate=60)
    31
    """
    _check_rate(rate)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds} s is not a time from 0 on")
    return math.floor(seconds * rate + _FRAME_TOLERANCE) + 1


def frame_seconds(index: int, *, rate: float) -> float:
    """When the 1-based extracted frame `index` begins to be shown.

    >>> frame_seconds(31, rate=60)
    0.5
    """
    _check_rate(rate)
    if index < 1:
        raise ValueError(f"frame {index}: frames are counted from 1")
    return (index - 1) / rate


def flow_stride(video_id: str) -> int | None:
    """RGB frames per optical-flow frame: 2 for videos of 2018, 1 for 2020; None for other ids."""
    return {60: 2, 50: 1, None: None}[frame_rate(video_id)]


def flow_index(index: int, *, stride: int) -> int:
    """The 1-based flow frame (files below `u/` and `v/`) that belongs to a 1-based RGB frame.

    A segment's flow frames are `range(flow_index(start), flow_index(stop))`: stop exclusive.

    >>> [flow_index(rgb, stride=2) for rgb in (1, 2, 3, 4)]
    [1, 1, 2, 2]
    """
    if index < 1 or stride < 1:
        raise ValueError(f"frame {index} with stride {stride}: both are counted from 1")
    return (index - 1) // stride + 1


def _check_rate(rate: float) -> None:
    if not 0 < rate < math.inf:
        raise ValueError(f"{rate} frames per second; a positive number is needed")

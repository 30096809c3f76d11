"""Ego4D: what the wearer was seen to do in one sentence each (narrations), and longer activities (moments).

    narration.json       {UID: {"narration_pass_1": {"narrations": [NARRATION, ...]}, "narration_pass_2": ...}}
      NARRATION          {"timestamp_sec": 1.5, "narration_text": "#C C opens a tap"}
    moments_train.json   {"videos": [{"video_uid": UID, "clips": [{"clip_uid": ..., "annotations": [ANNOTATION]}]}]}
      ANNOTATION         {"annotator_uid": ..., "labels": [LABEL, ...]}
      LABEL              {"label": "wash_dishes", "primary": true, "video_start_time": 3.0, "video_end_time": 9.5}
    ego4d.json           {"videos": [{"video_uid": UID, "split_fho": "train", "fb_participant_id": 7}]}; may be absent

Sources: the data set's annotations (Grauman et al., CVPR 2022, arXiv:2110.07058), and readers of them by others. A
narration is a moment; how long it lasts is estimated as in EgoVLP, arXiv:2206.01670, from how densely people spoke.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.datasets.dataset import Dataset, locate, locate_any, read_json_labels
from egoact.core.annotations.segments import Segment
from egoact.core.bounds import check_number
from egoact.core.errors import AnnotationError

MEAN_GAP_SECONDS = 4.9
"""Between narrations, over all videos: what EgoVLP calls alpha."""
_MOST_BYTES = 4 << 30
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_TEXT = re.compile(r"#\s*(?P<who>\w+)\s+(?:[Cc]\b)?\s*(?P<what>.*)", re.DOTALL)


def read_narrations(folder: Path) -> Dataset:
    """What the wearer does, with the word after "#C C" as verb; splits by `split_fho` of ego4d.json."""
    path = locate(folder, "narration.json")
    dataset = Dataset(path.parent)
    known = _read_metadata(folder, dataset)
    videos = read_json_labels(path, most_bytes=_MOST_BYTES)
    videos = videos.get("videos", videos) if isinstance(videos, dict) else videos
    if not isinstance(videos, dict):
        raise AnnotationError("an object of videos is expected", path=path)
    num_others = 0
    for video, said in videos.items():
        for number in (1, 2):
            name = f"narration_pass_{number}"
            participant, split = known.get(video, (video, ""))
            with dataset.row(path, f"{video}, {name}"):
                narrations = (said.get(name) or {}).get("narrations") or []
                length = _length_seconds([one["timestamp_sec"] for one in narrations])
                for position, narration in enumerate(narrations):
                    with dataset.row(path, f"{video}, {name}, narration {position + 1}"):
                        segment = _segment_of(narration, f"{video}_{number}_{position}", participant, video, length)
                        num_others += segment is None
                        if segment is not None:
                            dataset.add(segment, split=split)
    if num_others:
        dataset.notes.append(f"{num_others:,} narrations are not of the wearer (#C) or without words, and left out")
    return dataset


def _length_seconds(times: Sequence[float]) -> float:
    """How long each narration of a video lasts: the mean gap between them, in units of that of all videos."""
    for time in times:
        check_number("timestamp_sec", time, least=0, most=1e6)
    gap = (max(times) - min(times)) / (len(times) - 1) if len(times) > 1 else MEAN_GAP_SECONDS
    return (gap or MEAN_GAP_SECONDS) / MEAN_GAP_SECONDS


def _segment_of(
    narration: Mapping[str, Any], identity: str, participant: str, video: str, length: float
) -> Segment | None:
    """What the wearer does; None where it is somebody else, or has no words."""
    text = " ".join(narration["narration_text"].split())
    parts = _TEXT.fullmatch(text)
    if parts is None or parts["who"] not in "Cc" or not parts["what"]:
        return None
    middle = narration["timestamp_sec"]
    start, stop = max(middle - length / 2, 0.0), middle + length / 2
    verb = parts["what"].split()[0].strip(".,;:").lower() or None
    return Segment(identity, participant, video, start, stop, verb=verb, narration=text)


def read_moments(folder: Path) -> Dataset:
    """The labels of the primary categories, by all annotators, as in the published evaluation."""
    train = locate(folder, "moments_train.json")
    dataset = Dataset(train.parent)
    known = _read_metadata(folder, dataset)
    for split, path in (("train", train), ("validation", train.with_name("moments_val.json"))):
        if not path.exists():
            dataset.notes.append(f"no {path.name}, so no {split}.csv")
            continue
        for number, video in enumerate(_read_videos(path), 1):
            with dataset.row(path, f"video {number}"):
                name = video["video_uid"]
                who = known.get(name, (name,))[0], name
                for clip in video["clips"]:
                    _read_clip(clip, who, path, dataset, split=split)
    dataset.name_verbs()
    return dataset


def _read_clip(clip: Mapping[str, Any], who: tuple[str, str], path: Path, dataset: Dataset, *, split: str) -> None:
    for annotator, annotation in enumerate(clip["annotations"]):
        for number, label in enumerate(annotation["labels"]):
            place = f"clip {clip['clip_uid']}, annotation {annotator + 1}, label {number + 1}"
            with dataset.row(path, place):
                if label["primary"]:
                    identity = f"{clip['clip_uid']}_{annotator}_{number}"
                    times = float(label["video_start_time"]), float(label["video_end_time"])
                    dataset.add(Segment(identity, *who, *times, verb=label["label"]), split=split)


def _read_metadata(folder: Path, dataset: Dataset) -> dict[str, tuple[str, str]]:
    """Video -> who wears the camera, and its side of the split of hands and objects; empty without ego4d.json."""
    path = locate_any(folder, "ego4d.json")
    if path is None:
        dataset.notes.append("no ego4d.json, which tells who wears the camera, and the splits of narrations")
        return {}
    found = {}
    for number, video in enumerate(_read_videos(path), 1):
        with dataset.row(path, f"video {number}"):
            participant = video.get("fb_participant_id")
            name = video["video_uid"] if participant is None else str(participant)
            found[video["video_uid"]] = (name, _SPLITS.get(str(video.get("split_fho")), ""))
    return found


def _read_videos(path: Path) -> list[Any]:
    content = read_json_labels(path, most_bytes=_MOST_BYTES)
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, list):
        raise AnnotationError("an object with a list of videos is expected", path=path)
    return videos

"""Label Studio, VIA, FiftyOne and ActivityNet, in the layouts that these tools write."""

import json
from typing import Any

import pytest

from egoact.core.annotations.formats.annotation import Recording
from egoact.core.annotations.formats.conversion import ReadFile, decode_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source
from egoact.core.errors import AnnotationError


def read(content: Any, name: str = "export.json", **options: Any) -> ReadFile:
    return decode_annotations([Source(name, json.dumps(content).encode())], options=ReadOptions(**options))


def told(found: ReadFile) -> list[tuple[Any, ...]]:
    return [
        (a.recording, round(a.start_seconds, 6), round(a.stop_seconds, 6), a.verb, a.noun) for a in found.annotations
    ]


def region(identity: str, start: int, end: int, label: str, name: str = "videoLabels") -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"id": identity, "type": "timelinelabels", "from_name": name, "to_name": "video", "value": value}


def task(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    annotation = {"id": 1, "completed_by": {"id": 3, "email": "anna@lab.org"}, "was_cancelled": False}
    return {
        "id": 7,
        "data": {"video": "/data/upload/2/0a1b2c3d-kitchen%201.mp4"},
        "annotations": [annotation | {"result": list(results)}],
    } | more


def test_label_studio_counts_frames_from_1_and_the_last_one_belongs() -> None:
    found = read([task(region("a", 1, 30, "open"), region("b", 31, 31, "take cup"))], fps=30.0)
    assert told(found) == [
        ("kitchen 1", 0.0, 1.0, "open", ""),
        ("kitchen 1", 1.0, round(31 / 30, 6), "take cup", ""),
    ]
    assert [(a.annotator, a.tier) for a in found.annotations] == [("anna@lab.org", "")] * 2
    with pytest.raises(AnnotationError, match="frame rate of kitchen 1 is not known; give --fps or --media"):
        read([task(region("a", 1, 30, "open"))])
    known = read([task(region("a", 1, 30, "open"))], known=lambda name: Recording(name, fps=15.0))
    assert told(known)[0][2] == 2.0 and known.annotations.recording("kitchen 1").fps == 15.0


def test_label_studio_has_controls_for_verbs_nouns_and_what_belongs_to_a_region() -> None:
    choices = {"id": "a", "type": "choices", "from_name": "hand", "to_name": "video", "value": {"choices": ["Left"]}}
    sure = {"id": "a", "type": "choices", "from_name": "sure", "to_name": "video", "value": {"choices": ["no"]}}
    verb = region("a", 1, 30, "take", "verb") | {"meta": {"text": ["too fast"]}}
    found = read([task(verb, choices, sure, region("c", 16, 60, "cup", "noun"))], fps=30.0)
    assert told(found) == [("kitchen 1", 0.0, 1.0, "take", "cup")]
    assert [(a.hand, a.note) for a in found.annotations] == [("left", "too fast | sure=no")]
    named = read(
        [task(region("a", 1, 30, "take", "what"), region("b", 1, 30, "cup", "with"))],
        fps=30.0,
        verb_tier="what",
        noun_tier="with",
    )
    assert told(named) == [("kitchen 1", 0.0, 1.0, "take", "cup")]


def test_label_studio_labels_of_sound_are_seconds_and_others_are_named() -> None:
    sound = {
        "id": "a",
        "type": "labels",
        "from_name": "label",
        "value": {"start": 1.5, "end": 2.0, "labels": ["knock"]},
    }
    box = {"id": "b", "type": "videorectangle", "from_name": "box", "value": {"sequence": [], "labels": ["cup"]}}
    found = read(
        [task(sound, box), task(was="x") | {"annotations": [{"was_cancelled": True, "result": []}]}, {"id": 3}]
    )
    assert told(found) == [("kitchen 1", 1.5, 2.0, "knock", "")]
    assert [(p.place, p.reason[:40]) for _, p in found.problems] == [
        ("task 1, region 'b'", "a videorectangle without a stretch of ti"),
        ("task 3", "not as this format has it (KeyError: 'da"),
    ]
    assert any("skipped annotation" in remark for remark in found.remarks)


VIA = {
    "project": {"pid": "x", "vid_list": ["1"]},
    "config": {},
    "attribute": {
        "1": {"aname": "TEMPORAL-SEGMENTS", "type": 4, "options": {"0": "Break Egg", "1": "Stir"}},
        "2": {"aname": "Hand", "type": 3, "options": {"l": "left", "r": "right"}},
        "3": {"aname": "steps", "type": 2, "options": {"a": "one", "b": "two"}},
    },
    "file": {"9": {"fid": "9", "fname": "Alioli.ogv", "type": 4, "loc": 2, "src": "https://example.org/Alioli.ogv"}},
    "metadata": {
        "1_a": {"vid": "1", "flg": 0, "z": [0, 5.6], "xy": [], "av": {"1": "0", "2": "r", "3": "a,b"}},
        "1_b": {"vid": "1", "flg": 0, "z": [7], "xy": [], "av": {"1": "Stir"}},
        "1_c": {"vid": "1", "flg": 0, "z": [8], "xy": [2, 10, 10, 5, 5], "av": {}},
        "1_d": {"vid": "3", "flg": 0, "z": [1, 2], "xy": [], "av": {}},
        "1_e": {"vid": "1", "flg": 0, "z": [3, 2], "xy": [], "av": {}},
    },
    "view": {"1": {"fid_list": ["9"]}},
}


def test_via_projects_have_segments_points_and_attributes_with_options() -> None:
    found = read(VIA)
    assert told(found) == [("Alioli", 0.0, 5.6, "Break Egg", ""), ("Alioli", 7.0, 7.0, "Stir", "")]
    assert [(a.hand, a.note) for a in found.annotations] == [("right", "steps=one, two"), ("", "")]
    assert [p.place for _, p in found.problems] == ["metadata '1_d'", "metadata '1_e'"]
    assert any("regions of pictures" in remark for remark in found.remarks)
    named = read(VIA, verb_tier="temporal-segments", noun_tier="steps")
    assert told(named)[0] == ("Alioli", 0.0, 5.6, "Break Egg", "one, two")
    with pytest.raises(AnnotationError, match="not a project of VIA 3"):
        read({"metadata": {}, "attribute": {}, "file": {}, "view": {"1": {"fid_list": ["2"]}}})


FIFTYONE = {
    "classes": ["open", "take cup"],
    "labels": {
        "kitchen_1": [
            {"label": 1, "support": [1, 30]},
            {"label": "open", "timestamps": [1.5, 2.0], "confidence": 0.9, "attributes": {"object": "door"}},
            {"label": "open"},
        ],
        "kitchen_2": None,
    },
}
SAMPLES = {
    "samples": [
        {
            "filepath": "data/kitchen_1.mp4",
            "metadata": {"_cls": "VideoMetadata", "frame_rate": 29.97},
            "events": {
                "_cls": "TemporalDetections",
                "detections": [{"_cls": "TemporalDetection", "label": "open", "support": [1, 2997]}],
            },
        }
    ]
}


def test_fiftyone_has_supports_of_frames_and_timestamps() -> None:
    found = read(FIFTYONE, fps=30.0)
    assert told(found) == [("kitchen_1", 0.0, 1.0, "take cup", ""), ("kitchen_1", 1.5, 2.0, "open", "door")]
    assert [p.place for _, p in found.problems] == ["kitchen_1, detection 3"]
    samples = read(SAMPLES)
    assert told(samples) == [("kitchen_1", 0.0, 100.0, "open", "")]
    assert samples.annotations[0].tier == "events"


def test_activitynet_has_a_database_or_results() -> None:
    segments = [{"segment": [0.5, 1.5], "label": "Long jump"}, {"segment": [1], "label": "x"}, {"label": "y"}]
    database = {"v_abc": {"duration": 12.5, "subset": "training", "annotations": segments}}
    found = read({"version": "1.3", "taxonomy": [], "database": database})
    assert told(found) == [("v_abc", 0.5, 1.5, "Long jump", "")]
    assert found.annotations.recording("v_abc").duration_seconds == 12.5
    assert [p.place for _, p in found.problems] == ["v_abc, segment 2", "v_abc, segment 3"]
    results = read({"results": {"abc": [{"segment": [1, 2], "label": "open", "score": 0.5}]}})
    assert told(results) == [("abc", 1.0, 2.0, "open", "")]
    with pytest.raises(AnnotationError, match="not in ActivityNet's layout"):
        read({"database": [1]})

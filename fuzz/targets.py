"""Everything that reads what somebody else wrote, in one visible dict."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from egoact.core.annotations.datasets.catalogue import RECIPES, Options
from egoact.core.annotations.formats.catalogue import FORMATS
from egoact.core.annotations.formats.conversion import decode_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source
from egoact.core.annotations.labels import Vocabulary, build_vocabulary, read_tail_classes, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.scores import Scores, load_scores
from egoact.core.timelines.files import read_timelines
from egoact.media.sources import find_media, read_frames
from egoact.models.backbones.own_files import OwnFile, write_own_file
from egoact.models.backbones.registry import load_backbone, load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.privacy.masks import Masks
from egoact.runs.loading import load_run
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter
from egoact.store.checks import shard_problems
from egoact.store.layout.failures import read_failures
from egoact.store.layout.index import grid_moments
from egoact.store.reader import FeatureStore
from fuzz.exports import make_export, read_export_folder
from tests.core.annotations.formats.test_round_trips import FPS, encode, sample
from tests.makers.data.datasets import WRITERS
from tests.makers.data.stores import SAMPLING, SEGMENTS, fill
from tests.makers.films.media import frame_members, write_folder, write_tar, write_video

SMALL = (16, 24)
VIDEO = "P01_101"
_BACKBONE = BackboneSpec("tiny-random", "0" * 64, (32, 32), (0.5,) * 3, (0.5,) * 3, "pooled", None, (4,))
_CLASSES = {"verb": Vocabulary("verb", ("open", "close")), "noun": Vocabulary("noun", ("tap", "cup"))}
_TIMES = np.arange(0, 0.4, 0.07)


@dataclass(frozen=True)
class Target:
    """Something that reads what somebody else wrote.

    Args:
        make: Writes valid files into a folder.
        read: Reads the folder, in which one file was changed.
        changes: Pattern of the files that are changed, at any depth; the others stay as they are.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    changes: str = "*"


def _make_segments(folder: Path) -> None:
    rows = "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb,verb_class,noun,all_noun_classes\n"
    rows += 'a,P01,P01_01,00:00:01.00,00:00:02.50,open,0,tap,"[1, 2]"\nb,P01,P01_01,3,4.5,\'=put,1,cup,[]\n'
    (folder / "segments.csv").write_text(rows)


def _read_segments(folder: Path) -> None:
    table = read_segments(folder / "segments.csv")
    for target in ("verb", "noun"):
        if vocabulary := build_vocabulary(table, target):
            vocabulary.encode(table)


def _read_dataset(folder: Path, *, name: str) -> None:
    RECIPES[name].read(folder, Options()).texts()


def _make_classes(folder: Path) -> None:
    (folder / "EPIC_100_verb_classes.csv").write_text(
        "id,key,instances,category\n0,take,\"['take', 'grab']\",retrieve\n1,put,['put'],leave\n"
    )
    (folder / "EPIC_100_tail_verbs.csv").write_text("verb\n1\n")


def _read_classes(folder: Path) -> None:
    read_vocabulary(folder, "verb").to_categories()
    read_tail_classes(folder, "verb")


def _make_timelines(folder: Path, *, name: str) -> None:
    segment = {"start_seconds": 0.5, "stop_seconds": 2.0, "verb": "open", "noun": "tap", "confidence": 0.5}
    said = {"format_version": 1, "video_id": "P01_01", "duration_seconds": 9.0, "segments": [segment, segment]}
    csv = "video_id,start_timestamp,stop_timestamp,verb,noun,confidence\nP01_01,0.5,2,open,tap,0.5\n"
    (folder / name).write_text(csv if name.endswith("csv") else json.dumps(said))


def _make_format(folder: Path, *, name: str) -> None:
    encoded = encode(sample(), name)
    for number, content in enumerate(encoded.files.values()):
        (folder / f"{number}{encoded.suffix}").write_bytes(content if isinstance(content, bytes) else content.encode())


def _read_format(folder: Path, *, name: str) -> None:
    for path in sorted(folder.iterdir()):
        decode_annotations([Source(path.name, path.read_bytes())], format_name=name, options=ReadOptions(fps=FPS))
        decode_annotations([Source(path.name, path.read_bytes())], options=ReadOptions(fps=FPS))


def _make_scores(folder: Path, *, suffix: str) -> None:
    ids, verb = ("a", "b"), np.array([[0.5, 1.0], [2.0, -1.0]], np.float32)
    if suffix == "npz":
        Scores(ids, verb, verb).save(folder / "scores.npz")
        return
    each = {"verb": {"0": 0.5, "1": 1.0}, "noun": {"0": 0.5, "1": 2.0}}
    results = json.dumps({"version": "0.2", "results": {name: each for name in ids}})
    if suffix == "zip":
        with zipfile.ZipFile(folder / "scores.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("test.json", results)
    else:
        (folder / "results.json").write_text(results)
        columns = {"narration_id": list(ids), "verb_output": verb.tolist()}
        (folder / "columns.json").write_text(json.dumps(columns))


def _read_scores(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        load_scores(path)


def _read_store(folder: Path) -> None:
    store = FeatureStore.open(folder)
    list(read_failures(folder))
    for number in range(len(store.index.rows)):
        list(shard_problems(store, number))
    rows = store.find(SEGMENTS, SAMPLING)
    there = rows[(rows >= 0).all(axis=(1, 2))]
    if len(there):
        store.gather(there)
    for row in store.index.rows.values():
        row.find_moments(grid_moments(np.arange(max(row.num_steps, 0)), rate=store.spec.rate))


def _make_run(folder: Path, *, kind: str) -> None:
    torch.manual_seed(0)
    if kind == "timeline":
        config = SegmenterConfig("mstcn", _CLASSES, (_BACKBONE,), rate=4, components=2, options={"width": 4})
        TrainedSegmenter(config, config.build()).save(folder)
    else:
        head = RecognizerConfig(kind, _CLASSES, _BACKBONE, num_frames=3, dropout=0.5, head_options={"width": 4})
        Recognizer(head, head.build()).save(folder)
    (folder / "trained_on.json").write_text('{"training": {"a": [[0.5, 1.0]]}, "chosen_on": {}}')


def _read_run(folder: Path) -> None:
    answers = load_run(folder).answers
    if isinstance(answers, Recognizer):
        shape = answers.config.feature_shape
        if np.prod(shape) * answers.config.num_frames < 10**6:
            answers.score(np.zeros((1, answers.config.num_frames, *shape), np.float32))
    elif sum(answers.config.num_channels) < 10**5:
        answers.score(np.zeros((3, sum(answers.config.num_channels)), np.float32))
    Provenance.read(folder)


def _make_backbone(folder: Path) -> None:
    model = load_trunk("tiny-random", weights=None, size=32).model
    write_own_file(folder / "backbone.safetensors", model, OwnFile("tiny-random", 32, "a test"), described={})


def _read_backbone(folder: Path) -> None:
    load_backbone("tiny-random", weights=folder / "backbone.safetensors", size=32)


def _read_frames(folder: Path) -> None:
    for _ in read_frames(find_media(folder, VIDEO), _TIMES, size=SMALL, num_threads=1):
        pass


def _make_masks(folder: Path) -> None:
    mask = {"kind": "face", "score": 0.9, "keyframes": [[0.5, 0.1, 0.1, 0.2, 0.2], [0.9, 0.1, 0.2, 0.3, 0.4]]}
    (folder / "masks.json").write_text(json.dumps({"format_version": 1, "masks": [mask], "hidden": [[1.0, 2.0]]}))


TARGETS: dict[str, Target] = {
    "segments": Target(_make_segments, _read_segments),
    **{
        f"dataset-{name}": Target(write, partial(_read_dataset, name=name))
        for name, write in WRITERS.items()
        if name != "actionsense"
    },
    "classes": Target(_make_classes, _read_classes),
    "timeline-json": Target(partial(_make_timelines, name="timeline.json"), read_timelines),
    "timeline-csv": Target(partial(_make_timelines, name="timeline.csv"), read_timelines),
    **{
        f"format-{name}": Target(partial(_make_format, name=name), partial(_read_format, name=name)) for name in FORMATS
    },
    **{
        f"scores-{suffix}": Target(partial(_make_scores, suffix=suffix), _read_scores)
        for suffix in ("npz", "json", "zip")
    },
    "store-manifest": Target(partial(fill, segments=SEGMENTS), _read_store, "manifest.json"),
    "store-index": Target(partial(fill, segments=SEGMENTS), _read_store, "recordings.parquet"),
    "store-shards": Target(partial(fill, segments=SEGMENTS), _read_store, "*.npy"),
    **{f"run-{kind}": Target(partial(_make_run, kind=kind), _read_run) for kind in ("relation", "timeline")},
    **{
        f"export-{format}-{kind}": Target(
            partial(make_export, format=format, is_segmenter=kind == "timeline"), read_export_folder
        )
        for format in ("onnx", "openvino")
        for kind in ("clip", "timeline")
    },
    "backbone": Target(_make_backbone, _read_backbone),
    "masks": Target(_make_masks, lambda folder: Masks.read(folder / "masks.json")),
    "stills": Target(lambda folder: write_folder(folder / VIDEO, numbers=[1, 2, 3], size=SMALL), _read_frames),
    "tar": Target(
        lambda folder: write_tar(folder / f"{VIDEO}.tar", frame_members([1, 2, 3], size=SMALL)), _read_frames
    ),
    "video-mp4": Target(
        lambda folder: write_video(folder / f"{VIDEO}.mp4", num_frames=12, size=(48, 64), gop=4, b_frames=2),
        _read_frames,
    ),
    "video-mkv": Target(
        lambda folder: write_video(folder / f"{VIDEO}.mkv", num_frames=12, size=(48, 64), gop=4), _read_frames
    ),
}

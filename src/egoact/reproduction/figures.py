"""Steps of `egoact reproduce` that count, draw and time: Figures 3, 5 to 10, 14, 18 and 19."""

from typing import Any

import numpy as np

from egoact.core.sampling import sample_uniform
from egoact.media.recording import lay_grid
from egoact.media.sources import read_clip, read_frames
from egoact.media.stills.pictures import write_picture
from egoact.models.backbones.registry import load_backbone
from egoact.reproduction.layers import count_report_parameters, trace_base
from egoact.reproduction.work import NUM_FRAMES, Reproduction, find_annotations

TRAIN_FILES = ("EPIC_100_train.csv", "EPIC_100_train_30fps.csv")  # the same rows; times of the second are whole 1/30 s
CLASS_FILES = ("EPIC_train_action_labels.csv", *TRAIN_FILES, "EPIC_100_uda_source_train.csv")
CATEGORY_FILES = (*TRAIN_FILES, "EPIC_100_uda_source_train.csv", "EPIC_100_validation.csv")
_NUM_PICTURES = 8


def count_labels(work: Reproduction, *, name: str, files: tuple[str, ...]) -> dict[str, Any]:
    """Figures 3 and 10: `egoact stats` of the first annotation file that is there, else of what is trained on."""
    found = find_annotations(work.annotations, *files)
    segments = found or work.data.train
    classes = segments.parent if found else work.data.classes
    work.command("stats", segments=segments, out=work.out / name, classes=classes)
    return {"folder": name, "segments": segments.name, "is_real": found is not None, "looked_for": list(files)}


def paint_filters(work: Reproduction) -> dict[str, Any]:
    """Figure 5: `egoact explain filters`."""
    arguments = ["explain", "filters", "--out", str(work.out / "filters"), "--backbone", work.backbone]
    arguments += ["--weights", str(work.weights)] if work.weights else []
    arguments += ["--num-kernels", str(work.effort.painted_kernels), "--steps", str(work.effort.painting_steps)]
    arguments += ["--size", "96", "--num-frames", "64", "--media", *map(str, work.data.media)]
    work.memory.run(*arguments)
    return {"folder": "filters"}


def trace_clip(work: Reproduction) -> dict[str, Any]:
    """Figures 6 and 7: a clip on its way through the common base."""
    backbone = load_backbone(work.backbone, weights=work.weights)
    segment = work.data.validation_table()[0]
    times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=NUM_FRAMES)
    frames = read_clip(work.data.root().find(segment.video_id), times, size=backbone.spec.input_size)
    write_picture(work.out / "figures_06_07" / "frame.jpg", frames[0])
    found = trace_base(backbone, frames) | {"num_trained_parameters": count_report_parameters()["convnet1d"]}
    return found | {"backbone": work.backbone, "folder": "figures_06_07"}


def choose_pictures(work: Reproduction) -> dict[str, Any]:
    """Figure 14: some frames of every validation recording."""
    root, folder = work.data.root(), work.out / "figures_14_15"
    names: list[str] = []
    for video_id in dict.fromkeys(segment.video_id for segment in work.data.validation_table()):
        source = root.find(video_id)
        grid = lay_grid(source)
        numbers = np.linspace(1, grid.num_frames, 6).round()[1:-1]
        for _, frame in read_frames(source, grid.middles_seconds(numbers), size=(180, 240)):
            if isinstance(frame, np.ndarray) and len(names) < _NUM_PICTURES:
                names.append(f"{video_id}_{len(names)}.jpg")
                write_picture(folder / names[-1], frame)
    return {"folder": folder.name, "pictures": names}


def compute_flow(work: Reproduction) -> dict[str, Any]:
    """Figure 18: `egoact flow` between two frames, one apart, in the middle of the first segment."""
    segment = work.data.validation_table()[0]
    source = work.data.root().find(segment.video_id)
    grid = lay_grid(source)
    first = int((segment.start_seconds + segment.stop_seconds) / 2 * grid.frame_rate) + 1
    folder = work.out / "flow"
    pair = read_clip(source, grid.middles_seconds([first, first + 2]), size=None)
    for name, frame in zip(("a.png", "b.png"), pair, strict=True):
        write_picture(folder / name, frame)
    work.command("flow", out=folder, pair=(folder / "a.png", folder / "b.png"))
    return {"folder": folder.name, "video_id": segment.video_id, "frames": [first, first + 2]}


def store_clips(work: Reproduction) -> dict[str, Any]:
    """Figure 19: `egoact bench storage`."""
    flags = {"backbone": work.backbone, "weights": work.weights, "quick": work.effort.is_quick}
    recordings = {"segments": work.data.validation, "media": work.data.media}
    work.command("bench", what="storage", out=work.out / "storage", **recordings, **flags)
    return {"folder": "storage"}

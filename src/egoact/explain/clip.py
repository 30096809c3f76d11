"""Where in each frame, and at which frames, a run looked to answer about a clip.

OUT/clip.npz      frames, Grad-CAM maps, importance of frames, attention
OUT/clip.json     the answers, the moments, and a check with shuffled weights
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.files import make_folder, write_atomically, write_json
from egoact.core.sampling import sample_uniform
from egoact.explain.saliency import ClipSaliency, TargetSaliency, explain_clip_frames, map_correlation, shuffle_weights
from egoact.explain.stream_inputs import StreamInput, read_stream_inputs
from egoact.media.sources import MediaSource
from egoact.models.backbones.registry import Backbone
from egoact.runs.loading import Run

EVEN_LOSS = 0.05  # nats; below it what single frames are worth does not differ


@dataclass(frozen=True)
class Clip:
    """A stretch of a recording, seconds, and its labels as far as they are known."""

    source: MediaSource
    start_seconds: float
    stop_seconds: float
    truth: dict[str, str | None]


def explain_clip(
    run: Run, clip: Clip, out: Path, *, networks: Sequence[Backbone | None], seed: int, flow: Path | None = None
) -> None:
    """Explain one clip, and write it down.

    `seed` is that of the shuffled weights; those of the run are not changed. A run that looks at optical flow, too,
    needs the folder with that of the recording. `networks` are those of `load_networks`.

    Raises:
        ArtifactError: A backbone with other weights than the run's, streams that cannot be shown, or no flow.
        MediaError: Frames that cannot be decoded.
    """
    recognizer = run.recognizer
    times = sample_uniform(clip.start_seconds, clip.stop_seconds, num_frames=recognizer.config.num_frames)
    streams = read_stream_inputs(run, clip.source, times, flow=flow, networks=networks)
    model = recognizer.model.requires_grad_(False)
    found, shuffled = _explain(model, streams), shuffle_weights(model, seed=seed)
    check = {
        "head": _explain(shuffled, streams),
        "head_and_backbone": _explain(shuffled, [_shuffle(each, seed) for each in streams]),
    }
    vocabularies: Any = recognizer.config.vocabularies
    described = {
        "run": str(run.path),
        "head": recognizer.config.head,
        "video_id": clip.source.video_id,
        "start_seconds": clip.start_seconds,
        "stop_seconds": clip.stop_seconds,
        "times_seconds": times.tolist(),
        "truth": clip.truth,
        "answers": {
            target: {"name": vocabularies[target].names[part.class_id], "probability": round(part.probability, 4)}
            for target, part in found.targets.items()
        },
        "correlation_with_shuffled_weights": {
            target: {
                name: round(map_correlation(part.maps, other.targets[target].maps), 4) for name, other in check.items()
            }
            for target, part in found.targets.items()
        },
    }
    _write(out, described, streams[0].seen, found)
    _say(described, found)


def _explain(model: Any, streams: list[StreamInput]) -> ClipSaliency:
    first, *others = streams
    assert first.backbone is not None
    features = [other.features for other in others]
    return explain_clip_frames(first.backbone, model, first.seen, features, maps=first.maps)


def _shuffle(stream: StreamInput, seed: int) -> StreamInput:
    if stream.backbone is None:
        return stream
    return StreamInput(Backbone(stream.backbone.spec, shuffle_weights(stream.backbone.module, seed=seed)), stream.seen)


def _write(out: Path, described: dict[str, Any], frames: np.ndarray, found: ClipSaliency) -> None:
    arrays = {"frames": frames}
    for target, part in found.targets.items():
        arrays |= {f"{target}_maps": part.maps, f"{target}_importance": part.importance}
    if found.attention is not None:
        arrays["attention"] = found.attention
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # pyrefly: ignore[bad-argument-type]
    make_folder(out)
    write_atomically(out / "clip.npz", content.getvalue())
    write_json(out / "clip.json", described)


def _say(described: dict[str, Any], found: ClipSaliency) -> None:
    for target, part in found.targets.items():
        answer, same = described["answers"][target], described["correlation_with_shuffled_weights"][target]
        print(
            f"{target}: {answer['name']} ({100 * answer['probability']:.0f} %); {_say_importance(part, described)}; "
            f"maps of shuffled weights correlate with "
            f"{same['head']:.2f} (head), {same['head_and_backbone']:.2f} (head and backbone)"
        )


def _say_importance(part: TargetSaliency, described: dict[str, Any]) -> str:
    """Which frame mattered most, if any did: leaving it out must change the loss more than the others do."""
    most, spread = int(part.importance.argmax()), float(np.ptp(part.importance))
    if spread < EVEN_LOSS:
        return f"no frame mattered more than the others (leaving one out changes the loss by {spread:.3f} at most)"
    return f"the frame at {described['times_seconds'][most]:.2f} s mattered most"

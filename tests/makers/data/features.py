"""Small labelled feature stores for tests: classes that a head can tell apart, half of them only by order."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import read_segments
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.reader import StoreSpec
from egoact.store.writer import StoreWriter
from tests.makers.data.clips import lacking, write_clips

WIDTH = 16
SAMPLING = ClipSampling(20)
SPEC = StoreSpec(
    BackboneSpec(
        name="tiny-random",
        weights_hash="0" * 64,
        input_size=(32, 32),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        kind="pooled",
        cut=None,
        feature_shape=(WIDTH,),
    ),
    engine="torch",
    precision="f32",
)
VERBS = ("open", "close", "cut")
NOUNS = ("fridge", "door")


def write_csv(path: Path, *, videos: tuple[str, ...] = ("A_1", "B_1"), num_each: int = 12, nouns: bool = True) -> Path:
    """A segments CSV; its labels go round the classes."""
    lines = ["narration_id,video_id,start_timestamp,stop_timestamp,verb,noun"]
    if not nouns:
        lines = [lines[0].removesuffix(",noun")]
    for video in videos:
        for i in range(num_each):
            fields = [f"{video}_{i}", video, f"00:00:{i:02d}.0", f"00:00:{i:02d}.9", VERBS[i % 3]]
            lines.append(",".join(fields + ([NOUNS[(i // 3) % 2]] if nouns else [])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_store(
    path: Path,
    csv: Path,
    *,
    spec: StoreSpec = SPEC,
    sampling: ClipSampling = SAMPLING,
    seed: int = 0,
    poison: str | None = None,
    hide: tuple[int, ...] = (),
) -> Path:
    """Features for a CSV of `write_csv`; `poison` names a segment whose features become NaN.

    Channel 0 tells "open" from "close" by its direction, channel 1 tells "cut", channel 2 the nouns; those in `hide`
    are noise.
    """
    random = np.random.default_rng(seed)
    table = read_segments(csv)
    rising = np.linspace(-2, 2, sampling.num_frames)[:, None]
    with StoreWriter(path, spec) as writer:
        todo = lacking(writer, list(table), sampling)
        clips = []
        for segment in todo:
            clip = random.normal(0, 0.3, (sampling.num_views, sampling.num_frames, *spec.backbone.feature_shape))
            signals = (
                {"open": 1, "close": -1}.get(segment.verb or "", 0) * rising[:, 0],
                2 * (segment.verb == "cut"),
                2 * (segment.noun == "door"),
            )
            for channel, signal in enumerate(signals):
                if channel not in hide:
                    clip[:, :, channel] += np.reshape(signal, (-1, *(1 for _ in spec.backbone.feature_shape[1:])))
            if segment.narration_id == poison:
                clip[:] = np.nan
            clips.append(clip)
        write_clips(writer, todo, clips, sampling)
    return path


def other_spec(spec: StoreSpec = SPEC, /, **changes: object) -> StoreSpec:
    """A spec with some fields changed, its own or the backbone's."""
    own = {name: changes.pop(name) for name in ("rate", "dtype") if name in changes}
    return replace(spec, backbone=replace(spec.backbone, **changes), **own)  # type: ignore[arg-type]

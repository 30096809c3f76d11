"""From a recording to its actions, by a run of `egoact train-timeline`.

video ──► steps ──► engine ──► features ──► segmenter and decoder (`dense.py`) ──► actions
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.errors import MediaError
from egoact.core.timelines.hands.use import measure_hand_use
from egoact.core.timelines.prediction import Prediction
from egoact.extraction.recordings import HandPass, aspect_ratio_of, compute_features
from egoact.media.sources import MediaSource
from egoact.runs.loading import Run
from egoact.store.buffer import FeatureBuffer
from egoact.timelines.dense import find_actions

if TYPE_CHECKING:
    from egoact.engines.hands import HandDetector


def predict_recording(
    run: Run,
    source: MediaSource,
    *,
    folder: Path | None = None,
    hands: "HandDetector | None" = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Prediction:
    """The timeline of a recording, up to where it breaks if it does.

    Args:
        run: Of `egoact train-timeline`, or exported from one.
        source: The recording.
        folder: Where features are kept meanwhile; None: the system's place for temporary files.
        hands: Measure how much each hand is used, too, with the hands that this finds in the same pictures.
        advance: Called with numbers of steps as they are done.

    Raises:
        MediaError: Not one step can be read.
        ArtifactError: The run names clips, or its backbone's weights are not here.
    """
    segmenter = run.segmenter
    config = segmenter.config
    hand_pass = None if hands is None else HandPass(hands, aspect_ratio=aspect_ratio_of(source))
    watch = {} if hand_pass is None else {"watch": hand_pass.add}
    with FeatureBuffer((sum(config.num_channels),), folder=folder) as buffer:
        broken = compute_features(
            source, run.engine, buffer, rate=config.rate, stride=config.stride, advance=advance, **watch
        )
        timeline, top5 = find_actions(segmenter, buffer.read(), video_id=source.video_id)
    use = None if hand_pass is None else measure_hand_use(hand_pass.track(rate=config.steps_per_second), timeline)
    return Prediction(timeline, tuple(config.vocabularies), top5, None if broken is None else _say(broken), use)


def _say(broken: MediaError) -> str:
    return ": ".join(part for part in (broken.place, broken.reason) if part)

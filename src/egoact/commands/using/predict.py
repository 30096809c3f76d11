"""`egoact predict`: from recordings to timelines."""

import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from egoact.core import defaults
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.progress import Progress, format_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from egoact.core.timelines.prediction import Prediction
    from egoact.core.timelines.timeline import Timeline
    from egoact.engines.hands import HandDetector
    from egoact.media.sound.voice import Voice
    from egoact.runs.loading import Run
    from egoact.timelines.stored import StoredRecordings


@dataclass(frozen=True)
class PredictSettings:
    """Find the actions of a recording, or of a folder of recordings.

    Writes timeline.json, timeline.csv (to correct and train on), timeline.vtt and timeline.html; of a folder one
    folder a recording, and a page that sums them up.
    """

    video: Positional[Path | None] = None
    """Video file, or folder of video files; with --features it may be absent: all recordings of the store."""
    run: Path | None = field(default=None, kw_only=True)
    """Run directory of egoact train-timeline; default: one that comes with egoact, trained on rendered kitchens, for a
    first look."""
    out: Path = field(default=Path("timeline"), kw_only=True)
    """Folder to write."""
    features: tuple[Path, ...] = ()
    """Feature store: recordings that are in it from beginning to end, with the streams of the run, are not decoded."""
    descriptions: bool = False
    """Word timeline.vtt to be spoken: "opens the fridge"."""
    speak: Path | None = None
    """File .wav or .mp4 to write: the recording's sound with these descriptions spoken over it, in its gaps where there
    are some; in .mp4 with its pictures."""
    voice: str = defaults.VOICE
    """With --speak: the program that speaks. {text} is what to say (without it: on standard input), {wav} the file to
    write (without it: to standard output)."""
    hands: bool = False
    """Measure how much each hand is used, too: share of time in interaction, mean duration, interactions an hour, and
    the hand-use ratio. Takes MediaPipe's palm detector, see --hand-model."""
    hand_model: Path | None = None
    """With --hands: palm_detection_lite.tflite, or the wheel of mediapipe 0.10.21 that has it inside; without it that
    of the installed MediaPipe (`pip install --no-deps mediapipe==0.10.21`) is read, and none of it is imported."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What computes the backbone."""
    precision: Literal["auto", "f32", "bf16", "int8"] = "auto"
    """Of the computation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; of an ONNX export cpu, cuda or tensorrt."""
    proxy: bool = True
    """Write timeline.mp4, a small H.264 copy for the page, where browsers do not play the recording's codec."""
    overwrite: bool = False
    """Replace timelines that were edited, and a --speak file of somebody else; without it they are left as they
    are."""

    def __post_init__(self) -> None:
        if self.hand_model is not None and not self.hands:
            raise ValueError("--hand-model goes with --hands")
        if self.voice != defaults.VOICE and self.speak is None:
            raise ValueError("--voice goes with --speak")
        if self.video is None and not self.features:
            raise ValueError("give a video, a folder of videos, or the recordings of a store with --features")
        if self.hands and self.features:
            raise ValueError("--hands looks at pictures; leave --features away")
        if self.speak is not None and self.video is None:
            raise ValueError("--speak needs the recording, for its sound")


def predict(settings: PredictSettings) -> int:
    """Write timelines; gives how many recordings cannot be read to their end, or have edited timelines."""
    from egoact.core.files import locked
    from egoact.media.video.chapters import describe_chapters
    from egoact.runs.loading import EngineChoice, load_run, run_or_packaged
    from egoact.timelines.output import check_writable, find_videos, name_folders

    videos = [] if settings.video is None else find_videos(settings.video)
    for told in filter(None, map(describe_chapters, videos)):
        print(told, file=sys.stderr)
    speech = _prepare_speech(settings)
    with locked(settings.out, command="predict"):
        check_writable(settings.out)
        choice = EngineChoice(settings.weights, settings.engine, settings.precision, settings.device)
        run = load_run(run_or_packaged(settings.run), choice)
        assert run.segmenter.rules  # or an error, before anything is read
        stored = _open_stored(run, settings)
        hands = None
        if settings.hands:
            from egoact.engines.hands import HandDetector

            hands = HandDetector(settings.hand_model)
        predict_one = partial(_predict_one, run, settings, hands=hands, stored=stored)
        if settings.video is None:
            assert stored is not None
            return _predict_all(settings, zip(stored.recordings, stored.recordings, strict=True), predict_one)
        if settings.video.is_dir():
            return _predict_all(settings, zip(name_folders(settings.video, videos), videos, strict=True), predict_one)
        return predict_one(videos[0], settings.out, speech=speech)["broken"] is not None


def _predict_all(
    settings: PredictSettings, work: "Iterable[tuple[str, Path | str]]", predict_one: "Callable[..., dict[str, Any]]"
) -> int:
    """Recordings, files or names in the store, each into a folder; gives how many failed."""
    from egoact.core.files import write_json
    from egoact.timelines.output import SUMMARY_NAME

    rows: list[dict[str, Any]] = []
    for folder, recording in work:
        try:
            row = predict_one(recording, settings.out / folder)
        except (ArtifactError, MediaError) as error:
            print(f"predict: {error}", file=sys.stderr)
            row = {"video_id": Path(recording).stem, "failed": str(error)}
        name = recording if settings.video is None else os.path.relpath(recording, settings.video)
        rows.append({"folder": folder, "video": name} | row)
    write_json(settings.out / SUMMARY_NAME, {"recordings": rows})
    num_failed = sum(row.get("broken") is not None or "failed" in row for row in rows)
    print(f"predict: {len(rows)} recordings, {num_failed} of them with errors")
    return num_failed


def _open_stored(run: "Run", settings: PredictSettings) -> "StoredRecordings | None":
    if not settings.features:
        return None
    from egoact.timelines.stored import StoredRecordings

    stored = StoredRecordings.of(run, settings.features)
    if settings.video is None and not len(stored.recordings):
        raise ArtifactError("no recording is here from beginning to end", path=stored.recordings.path)
    return stored


def _prepare_speech(settings: PredictSettings) -> "tuple[Path, Voice] | None":
    """The file to speak into, and who speaks; what is wrong with them is found before the work."""
    if settings.speak is None:
        return None
    from egoact.media.sound.voice import Voice
    from egoact.timelines.speaking import check_speech_file

    assert settings.video is not None
    if settings.video.is_dir():
        raise ValueError("--speak writes one file, of one recording; give a recording instead of a folder")
    check_speech_file(settings.speak, settings.video, overwrite=settings.overwrite)
    return settings.speak, Voice(settings.voice)


def _predict_one(
    run: "Run",
    settings: PredictSettings,
    recording: Path | str,
    out: Path,
    *,
    hands: "HandDetector | None",
    stored: "StoredRecordings | None",
    speech: "tuple[Path, Voice] | None" = None,
) -> dict[str, Any]:
    """Write one timeline, of a file or of what a store has by this name; gives its row of the summary."""
    from egoact.core.files import make_folder
    from egoact.timelines.output import check_not_edited, write_playable, write_prediction

    make_folder(out)
    if not settings.overwrite:
        check_not_edited(out)
    begun = time.monotonic()
    video = recording if isinstance(recording, Path) else None
    name = recording if video is None else video.name
    prediction, is_stored = _find_actions(run, recording, out, hands=hands, stored=stored)
    seconds = time.monotonic() - begun
    features = stored.recordings.path if stored is not None and is_stored else None
    write_prediction(prediction, video, out, run, descriptions=settings.descriptions, features=features)
    if settings.proxy and video is not None:
        write_playable(video, out)
    length = prediction.timeline.duration_seconds or 0.0
    num_actions, broken = len(prediction.timeline), prediction.broken
    if broken:
        print(f"predict: {recording}: breaks {broken}", file=sys.stderr)
    print(
        f"predict: {name}: {num_actions} actions in {format_seconds(length)} of video, "
        f"{length / seconds:.1f} x real time{' from stored features' if is_stored else ''}"
    )
    if prediction.hands is not None:
        shares = [f"{side} {100 * prediction.hands[side]['share_of_time']:.0f} %" for side in ("left", "right")]
        missed = 100 * prediction.hands["steps_without_hands_share"]
        print(
            f"  hands in interaction: {', '.join(shares)} of the time; no hand found in {missed:.1f} % of the pictures"
        )
    if speech is not None and video is not None:
        _speak(prediction.timeline, video, *speech)
    return {"video_id": prediction.timeline.video_id, "seconds": length, "num_actions": num_actions, "broken": broken}


def _find_actions(
    run: "Run", recording: Path | str, out: Path, *, hands: "HandDetector | None", stored: "StoredRecordings | None"
) -> "tuple[Prediction, bool]":
    """The timeline of a recording, and whether its features were in the store."""
    from egoact.media.recording import estimate_steps
    from egoact.media.sources import MediaSource
    from egoact.timelines.segmenter import predict_recording

    config = run.segmenter.config
    if isinstance(recording, str):
        assert stored is not None
        return stored.predict(recording), True
    source = MediaSource.of_file(recording)
    if stored is not None and source.video_id in stored:
        stored.check_length(source)
        return stored.predict(source.video_id), True
    num_steps = estimate_steps(source, rate=config.steps_per_second)
    with Progress(recording.name, total=num_steps, unit="steps") as progress:
        return predict_recording(run, source, folder=out, hands=hands, advance=progress.advance), False


def _speak(timeline: "Timeline", video: Path, path: Path, voice: "Voice") -> None:
    from egoact.timelines.speaking import report_speech, speak_timeline

    with Progress(path.name, total=round(timeline.duration_seconds or 0) or None, unit="s") as progress:
        plan = speak_timeline(timeline, video, path, voice, advance=progress.advance)
    print(report_speech(plan, timeline, path))

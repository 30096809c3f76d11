"""Spoken description: the actions of a timeline said aloud over the recording's own sound."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.timelines.prediction import timestamp
from egoact.core.timelines.speech import SpeechPlan, plan_speech, texts_of
from egoact.core.timelines.timeline import Timeline
from egoact.media.sound.mixing import Mixer, PlacedSpeech
from egoact.media.sound.reader import SoundTrack, find_sound, measure_loudness, read_sound
from egoact.media.sound.voice import Voice
from egoact.media.sound.writer import SUFFIXES, is_ours, write_sound


def check_speech_file(path: Path, video: Path, *, overwrite: bool) -> None:
    """Find out before the work that a file should not be written.

    Raises:
        ValueError: It is no `.wav` or `.mp4`.
        ArtifactError: It is the recording, a folder, or a file that somebody else wrote.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--speak {path}: a file {' or '.join(SUFFIXES)} is needed")
    if path.is_dir() or not path.parent.is_dir():
        raise ArtifactError("a file in a folder that exists is needed; give another --speak", path=path)
    if path.exists() and path.samefile(video):
        raise ArtifactError("this is the recording itself; give another --speak", path=path)
    if path.exists() and not overwrite and not is_ours(path):
        raise ArtifactError("not written by egoact predict --speak; give another --speak, or --overwrite", path=path)


def speak_timeline(
    timeline: Timeline, video: Path, path: Path, voice: Voice, *, advance: Callable[[int], None] = lambda _: None
) -> SpeechPlan:
    """Write the sound of a recording with the actions said over it, as WAV, or as MP4 with its pictures.

    The recording's sound is read twice: once to find out where it is quiet, once to mix; never all at once. `advance`
    is called with numbers of seconds as they are mixed.

    Raises:
        MediaError: The recording cannot be read, the voice fails, or the file cannot be written.
    """
    track = find_sound(video)
    rate = track.form.rate
    plan = plan_speech(
        timeline,
        measure_loudness(read_sound(track), rate),
        seconds_of=lambda text: len(voice.say(text, rate=rate)) / rate,
        length_seconds=track.num_samples / rate,
    )
    speech = [PlacedSpeech(round(s.start_seconds * rate), voice.say(s.text, rate=rate)) for s in plan.spoken]
    write_sound(path, _mixed(track, Mixer(speech, rate=rate), advance), track)
    return plan


def _mixed(track: SoundTrack, mixer: Mixer, advance: Callable[[int], None]) -> Iterator[np.ndarray]:
    position = 0
    for block in read_sound(track):
        yield mixer.mix(block)
        before, position = position, position + len(block)
        advance(position // track.form.rate - before // track.form.rate)


def report_speech(plan: SpeechPlan, timeline: Timeline, path: Path) -> str:
    """What was said, and what was not, for people."""
    num_short = sum(spoken.is_short for spoken in plan.spoken)
    said = f"{path}: {len(plan.spoken)} of {len(timeline)} descriptions spoken"
    said += f", {num_short} of them shortened" if num_short else ""
    missing = [f"{timestamp(timeline[n].start_seconds)} {texts_of(timeline[n])[0]!r}" for n in plan.unspoken]
    return said + (f"; no room for {', '.join(missing)}" if missing else "")

"""`egoact predict --speak`, heard by measuring what it wrote: the voice is a tone that nothing else has."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.errors import ArtifactError
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.speech import PAUSE_SECONDS, SOON_SECONDS
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.media.sound.mixing import DUCKED_GAIN
from egoact.media.sound.reader import find_sound
from egoact.media.sound.voice import Voice
from egoact.timelines.speaking import report_speech, speak_timeline
from tests.makers.films.media import write_video
from tests.makers.films.sound import (
    HUM_HERTZ,
    RATE,
    VOICE_HERTZ,
    add_sound,
    level_of,
    read_all_sound,
    stretches_of,
    tone,
    write_voice,
)

A_WORD = 0.3  # seconds
LEAST = 0.04  # of the voice's tone, whose amplitude is 0.14


def voices(samples: np.ndarray) -> np.ndarray:
    return stretches_of(samples, VOICE_HERTZ, least=LEAST)


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_actions_are_said_in_the_gaps_of_the_sound(
    folder: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = folder / "videos" / "kitchen_9.mp4"
    predict(PredictSettings(silent, run=folder / "run", out=tmp_path / "first", engine="torch"))
    starts = [segment.start_seconds for segment in read_timelines(tmp_path / "first")["kitchen_9"]]
    length = find_sound(silent).length_seconds
    hum = np.full(round(length * RATE), 0.002, dtype=np.float32) * np.sign(tone(length))
    for start in starts:  # loud around the beginning of each action
        span = slice(max(round((start - 0.3) * RATE), 0), round((start + 0.4) * RATE))
        hum[span] = tone(length)[span]
    video = add_sound(silent, tmp_path / "kitchen_9.mp4", hum)
    spoken = tmp_path / f"spoken.{suffix}"
    voice = write_voice(tmp_path, seconds_a_word=A_WORD)
    assert (
        predict(
            PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch", speak=spoken, voice=voice)
        )
        == 0
    )
    assert f"{spoken}: 4 of 4 descriptions spoken\n" in capsys.readouterr().out
    samples = read_all_sound(spoken)
    assert len(samples) == pytest.approx(length * RATE, abs=2 * 1024)
    said = voices(samples)
    assert len(starts) == 4
    np.testing.assert_allclose(said[:, 0], np.array(starts) + 0.4, atol=0.08)
    np.testing.assert_allclose(said[:, 1] - said[:, 0], A_WORD, atol=0.05)
    loud = level_of(samples, HUM_HERTZ)[round((starts[1] + 0.1) / 0.02)]
    assert loud == pytest.approx(0.5, abs=0.05), "what is not under speech is as loud as it was"
    if suffix == "mp4":
        with av.open(str(spoken)) as made, av.open(str(video)) as original:
            pictures = [
                [bytes(p) for p in container.demux(container.streams.video[0])] for container in (made, original)
            ]
        assert pictures[0] == pictures[1]


def test_sound_without_a_gap_is_turned_down(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4", num_frames=60, rate=10)
    video = add_sound(silent, tmp_path / "a.mkv", tone(6.0), codec="pcm_s16le")
    timeline = Timeline("a", (TimelineSegment(1, 5, "open", "fridge"), TimelineSegment(3.5, 5, "take", "milk")))
    plan = speak_timeline(timeline, video, tmp_path / "s.wav", Voice(write_voice(tmp_path, seconds_a_word=A_WORD)))
    samples = read_all_sound(tmp_path / "s.wav")
    np.testing.assert_allclose(voices(samples), [(1.0, 1.9), (3.5, 4.4)], atol=0.03)
    np.testing.assert_allclose(voices(samples), [(s.start_seconds, s.stop_seconds) for s in plan.spoken], atol=0.03)
    hum = level_of(samples, HUM_HERTZ)
    seconds = (np.arange(len(hum)) + 0.5) * 0.02
    under = ((seconds > 1.03) & (seconds < 1.87)) | ((seconds > 3.53) & (seconds < 4.37))
    far = (seconds < 0.8) | ((seconds > 2.1) & (seconds < 3.3)) | (seconds > 4.6)
    np.testing.assert_allclose(hum[under], 0.5 * DUCKED_GAIN, atol=0.02)
    np.testing.assert_allclose(hum[far], 0.5, atol=0.02)


def test_a_recording_without_sound_is_described_too(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", num_frames=40, rate=10)
    timeline = Timeline("v", (TimelineSegment(0.5, 2, "open", "fridge"), TimelineSegment(2, 4, None, "milk")))
    speak_timeline(timeline, video, tmp_path / "s.mp4", Voice(write_voice(tmp_path, seconds_a_word=A_WORD)))
    samples = read_all_sound(tmp_path / "s.mp4")
    np.testing.assert_allclose(voices(samples), [(0.5, 1.4), (2.0, 2.6)], atol=0.03)
    assert len(samples) == pytest.approx(4 * RATE, abs=2 * 1024)
    assert find_sound(tmp_path / "s.mp4").length_seconds == pytest.approx(4.0, abs=1e-3)


def test_a_crowded_timeline_is_said_one_at_a_time_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", num_frames=100, rate=10)
    starts = np.arange(0.5, 9, 0.4)
    segments = tuple(TimelineSegment(s, s + 0.4, "open", "fridge", 0.5 + 0.01 * i) for i, s in enumerate(starts))
    timeline = Timeline("v", segments)
    plan = speak_timeline(timeline, video, tmp_path / "s.wav", Voice(write_voice(tmp_path, seconds_a_word=A_WORD)))
    said = voices(read_all_sound(tmp_path / "s.wav"))
    assert len(said) == len(plan.spoken) and 5 < len(said) < len(starts)
    assert (said[1:, 0] - said[:-1, 1]).min() > PAUSE_SECONDS - 0.05
    begun = np.array([segments[s.number].start_seconds for s in plan.spoken])
    assert (said[:, 0] > begun - 0.03).all() and (said[:, 0] < begun + SOON_SECONDS + 0.03).all()
    report = report_speech(plan, timeline, tmp_path / "s.wav")
    assert f"{len(said)} of {len(starts)} descriptions spoken" in report and "shortened" in report
    assert report.count("'opens the fridge'") == len(plan.unspoken) == len(starts) - len(said)


def test_a_timeline_without_actions_leaves_the_sound_as_it_is(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4", num_frames=20, rate=10)
    video = add_sound(silent, tmp_path / "a.mkv", tone(2.0), codec="pcm_s16le")
    speak_timeline(Timeline("a", ()), video, tmp_path / "s.wav", Voice(write_voice(tmp_path)))
    np.testing.assert_allclose(level_of(read_all_sound(tmp_path / "s.wav"), HUM_HERTZ), 0.5, atol=0.01)


def test_files_of_others_are_never_replaced(folder: Path, tmp_path: Path) -> None:
    video = Path(shutil.copy(folder / "videos" / "kitchen_9.mp4", tmp_path))
    voice = write_voice(tmp_path)
    mine, spoken = tmp_path / "mine.wav", tmp_path / "spoken.wav"
    mine.write_bytes(b"my own recording")

    def settings(path: Path, **options: object) -> PredictSettings:
        out = tmp_path / "out"
        return PredictSettings(video, run=folder / "run", out=out, engine="torch", speak=path, voice=voice, **options)

    for path, reason in (
        (mine, "not written by egoact predict --speak"),
        (video, "this is the recording itself"),
        (tmp_path / "nosuch" / "a.wav", "a folder that exists"),
    ):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(ArtifactError, match=reason):
            predict(settings(path))
        assert (path.read_bytes() if path.exists() else None) == before
    assert not (tmp_path / "out").exists(), "found before the work"
    for _ in range(2):  # our own is written anew
        assert predict(settings(spoken)) == 0
    assert predict(settings(mine, overwrite=True)) == 0 and len(voices(read_all_sound(mine))) == 4


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--speak", "a.mp3"], "a file .wav or .mp4 is needed"),
        (["--voice", "espeak"], "--voice goes with --speak"),
        (
            ["--speak", "a.wav", "--voice", "no-such-program {wav}"],
            "no voice: there is no program no-such-program here",
        ),
        (["--speak", "a.wav", "--voice", "say 'it"], "No closing quotation"),
    ],
)
def test_wrong_wishes_are_one_line(
    folder: Path, tmp_path: Path, flags: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video = str(folder / "videos" / "kitchen_9.mp4")
    with pytest.raises(SystemExit) as stop:
        main(["predict", video, "--run", str(folder / "run"), "--out", str(tmp_path / "out"), *flags])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and told.count("\n") == 1 and reason in told
    assert not (tmp_path / "out").exists()


def test_one_file_is_for_one_recording(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of one recording"):
        predict(PredictSettings(folder / "videos", run=folder / "run", out=tmp_path / "out", speak=tmp_path / "a.wav"))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_speaks(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", num_frames=60, rate=10)
    timeline = Timeline("v", (TimelineSegment(1, 2, "open", "fridge"), TimelineSegment(4, 5, "take", "milk")))
    plan = speak_timeline(timeline, video, tmp_path / "s.mp4", Voice())
    samples = read_all_sound(tmp_path / "s.mp4")
    power = np.sqrt(np.mean(samples[: len(samples) // 441 * 441].reshape(-1, 441) ** 2, axis=1))  # of 10 ms
    inside = np.zeros(len(power), dtype=bool)
    for said in plan.spoken:
        assert 0.4 < said.stop_seconds - said.start_seconds < 2.5
        inside[round(100 * said.start_seconds) - 2 : round(100 * said.stop_seconds) + 2] = True
        assert power[round(100 * said.start_seconds) : round(100 * said.stop_seconds)].mean() > 0.04
    assert [s.start_seconds for s in plan.spoken] == [1, 4] and power[~inside].max() < 1e-3

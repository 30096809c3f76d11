"""Sound of recordings: read, measured, mixed and written."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.core.errors import MediaError
from egoact.media.sound.mixing import DUCKED_GAIN, FADE_SECONDS, Mixer, PlacedSpeech, even_out
from egoact.media.sound.reader import SoundFormat, find_sound, measure_loudness, read_sound
from egoact.media.sound.voice import Voice
from egoact.media.sound.writer import is_ours, write_sound
from egoact.media.sources import MediaSource, read_frames
from tests.makers.films.media import number_in, write_sound_only, write_video
from tests.makers.films.sound import (
    HUM_HERTZ,
    RATE,
    VOICE_HERTZ,
    add_sound,
    heard,
    level_of,
    read_all_sound,
    stretches_of,
    tone,
    write_recording_with_sound,
    write_voice,
)

BURST = np.concatenate([np.zeros(RATE, np.float32), tone(1.0), np.zeros(RATE, np.float32)])  # from 1 to 2 s


def all_samples(path: Path) -> np.ndarray:
    return np.concatenate(list(read_sound(find_sound(path))))


@pytest.mark.parametrize(
    ("codec", "layout", "suffix"), [("aac", "mono", "mp4"), ("pcm_s16le", "stereo", "mkv"), ("aac", "5.1", "mp4")]
)
def test_sound_is_read_where_it_is_heard(tmp_path: Path, codec: str, layout: str, suffix: str) -> None:
    path = write_recording_with_sound(tmp_path / f"a.{suffix}", 0.9 * BURST, layout=layout, **{"codec": "libx264"})
    if codec != "aac":
        path = add_sound(path, tmp_path / f"b.{suffix}", 0.9 * BURST, codec=codec, layout=layout)
    track = find_sound(path)
    assert track.has_sound and track.form == SoundFormat(RATE, 1 if layout == "mono" else 2)
    samples = all_samples(path)
    assert samples.shape == (3 * RATE, track.form.num_channels) == (track.num_samples, track.form.num_channels)
    for channel in samples.T:
        np.testing.assert_allclose(stretches_of(channel, HUM_HERTZ, least=0.1), [(1.0, 2.0)], atol=0.021)
    assert 0.2 < np.abs(samples).max() <= 1.0, "six channels are not simply added up"


def test_sound_that_begins_later_or_has_a_hole_keeps_its_times(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4", num_frames=40, rate=10)
    late = add_sound(silent, tmp_path / "late.mkv", tone(1.0), codec="pcm_s16le", start_seconds=1.5)
    np.testing.assert_allclose(stretches_of(all_samples(late)[:, 0], HUM_HERTZ, least=0.1), [(1.5, 2.5)], atol=0.021)
    hole = add_sound(silent, tmp_path / "hole.mkv", tone(2.0), codec="pcm_s16le", gap_at=1.0)
    found = stretches_of(all_samples(hole)[:, 0], HUM_HERTZ, least=0.1)
    np.testing.assert_allclose(found, [(0, 1), (1.5, 2.5)], atol=0.041)
    assert len(all_samples(late)) == len(all_samples(hole)) == 4 * RATE


def test_time_0_is_the_first_picture(tmp_path: Path) -> None:
    pts = [7, *range(8, 37)]  # tenths of a second
    silent = write_video(tmp_path / "v.mkv", num_frames=30, rate=10, pts=pts)
    path = add_sound(silent, tmp_path / "a.mkv", BURST, codec="pcm_s16le")
    track = find_sound(path)
    assert track.start_seconds == pytest.approx(0.7) and track.length_seconds == pytest.approx(3.0)
    np.testing.assert_allclose(stretches_of(all_samples(path)[:, 0], HUM_HERTZ, least=0.1), [(0.3, 1.3)], atol=0.021)


def test_sound_is_as_long_as_the_pictures(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4", num_frames=10, rate=10)
    longer = add_sound(silent, tmp_path / "a.mp4", tone(3.0))
    assert len(all_samples(longer)) == RATE and level_of(all_samples(longer)[:, 0], HUM_HERTZ)[-1] > 0.3


def test_a_recording_without_sound_is_silent(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", num_frames=25, rate=10)
    track = find_sound(path)
    samples = all_samples(path)
    assert not track.has_sound and samples.shape == (2.5 * track.form.rate, 1) and not samples.any()
    with pytest.raises(MediaError, match="no video stream"):
        find_sound(write_sound_only(tmp_path / "s.mp4"))


def test_sound_of_a_rate_that_is_too_low_for_speech_is_converted(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "v.mp4", num_frames=30, rate=10)
    samples = np.concatenate([np.zeros(8000, np.float32), tone(1.0, rate=8000), np.zeros(8000, np.float32)])
    path = add_sound(silent, tmp_path / "a.mkv", samples, rate=8000, codec="pcm_s16le")
    track = find_sound(path)
    assert track.form.rate == 48000 and track.num_samples == 3 * 48000
    levels = level_of(all_samples(path)[:, 0], HUM_HERTZ, rate=48000)
    assert np.flatnonzero(levels > 0.1)[[0, -1]] == pytest.approx([50, 99], abs=1)


def test_damaged_sound_is_silent_where_it_is_damaged(tmp_path: Path) -> None:
    path = write_recording_with_sound(tmp_path / "a.mp4", tone(4.0))
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.audio[0]) if p.size]
    content = bytearray(path.read_bytes())
    for packet in packets[60:90]:
        content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(content)
    samples = all_samples(path)
    assert len(samples) == 4 * RATE
    levels = level_of(samples[:, 0], HUM_HERTZ)
    assert levels[10] > 0.3 and levels[-10] > 0.3 and levels[round(75 * 1024 / RATE / 0.02)] < 0.1


def test_loudness_does_not_depend_on_blocks() -> None:
    samples = np.stack([BURST, 0 * BURST], axis=1)
    whole = measure_loudness([samples], RATE)
    parts = measure_loudness(np.array_split(samples, 77), RATE)
    np.testing.assert_allclose(whole.powers, parts.powers, atol=1e-12)
    assert len(whole.powers) == 60 and whole.block_seconds == 0.05
    assert whole.decibels(np.array([1.2, 2.2]), 0.5) == pytest.approx([10 * np.log10(0.5**2 / 4), -60], abs=0.1)
    assert len(measure_loudness([], RATE).powers) == 0


def test_sound_is_turned_down_under_speech_and_back_up_after_it() -> None:
    rate = 1000
    speech = [PlacedSpeech(1000, np.full(500, 0.25, np.float32)), PlacedSpeech(1600, np.full(100, 0.25, np.float32))]
    sound = np.full((3000, 2), 0.5, np.float32)
    mixed = Mixer(speech, rate=rate).mix(sound)
    assert mixed.shape == sound.shape and (mixed[:, 0] == mixed[:, 1]).all()
    under = 0.5 * DUCKED_GAIN
    fade = round(FADE_SECONDS * rate)
    np.testing.assert_allclose(mixed[1000:1500, 0], under + 0.25, atol=1e-6)
    np.testing.assert_allclose(mixed[1600:1700, 0], under + 0.25, atol=1e-6)
    assert (mixed[: 1000 - fade, 0] == 0.5).all() and (mixed[1700 + fade :, 0] == 0.5).all()
    assert (np.diff(mixed[1000 - fade : 1000, 0]) < 0).all() and (np.diff(mixed[1700 : 1700 + fade, 0]) > 0).all()
    assert under < mixed[1500:1600, 0].max() < 0.5, "between two that are near each other it does not come back"
    parts = Mixer(speech, rate=rate)
    together = np.concatenate([parts.mix(block) for block in np.array_split(sound, 37)])
    np.testing.assert_array_equal(together, mixed)


def test_the_loudest_sound_and_speech_together_are_not_cut_off() -> None:
    shout = even_out(np.concatenate([np.full(10, 1.0), np.full(10000, 0.004)]).astype(np.float32))
    assert np.abs(shout).max() == pytest.approx(0.8)
    mixed = Mixer([PlacedSpeech(0, shout)], rate=8000).mix(np.ones((len(shout), 1), np.float32))
    assert 0.9 < np.abs(mixed).max() < 1


def test_speech_is_cut_to_what_is_heard_and_made_as_loud_as_all_other() -> None:
    quiet, loud = (np.concatenate([np.zeros(500), tone(0.5, level=level), np.zeros(900)]) for level in (0.01, 0.9))
    for spoken in (even_out(quiet), even_out(loud)):
        assert len(spoken) == pytest.approx(RATE / 2, abs=4)
        assert np.sqrt(np.mean(spoken**2)) == pytest.approx(0.1, abs=1e-3)
    assert len(even_out(np.zeros(100, np.float32))) == 0 == len(even_out(np.zeros(0, np.float32)))


@pytest.mark.parametrize("how", ["file", "pipe"])
@pytest.mark.parametrize("text", [(), ("{text}",)])
def test_a_voice_takes_text_and_gives_sound_in_either_way(tmp_path: Path, how: str, text: tuple) -> None:
    voice = Voice(write_voice(tmp_path, how=how, text=text))
    samples = voice.say("opens 'the' {wav} \"fridge\"", rate=RATE)
    assert samples.dtype == np.float32 and len(samples) == pytest.approx(0.8 * RATE, abs=0.01 * RATE)
    assert stretches_of(samples, VOICE_HERTZ, least=0.05)[0] == pytest.approx((0, 0.8), abs=0.021)
    assert voice.say("opens 'the' {wav} \"fridge\"", rate=RATE) is samples
    assert heard(tmp_path) == ["opens 'the' {wav} \"fridge\""], "once, and word for word"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('no such language', file=sys.stderr); sys.exit(3)", "fails: no such language"),
        ("import sys; sys.exit(3)", "fails: exit code 3"),
        ("pass", "gives no sound that can be read"),
        ("print('hello')", "gives no sound that can be read"),
        ("pass #{wav}", "wrote no {wav}"),
    ],
)
def test_a_voice_that_fails_says_why(tmp_path: Path, code: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        Voice(f'{sys.executable} -c "{code}"').say("opens", rate=RATE)


def test_silence_is_no_speech(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="says nothing for 'opens'"):
        Voice(write_voice(tmp_path, seconds_a_word=0)).say("opens", rate=RATE)


def test_no_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        MediaError, match=r"no program espeak-ng here; `apt install espeak-ng` brings it; --voice COMMAND"
    ):
        Voice()
    with pytest.raises(MediaError, match="no program nosuch here; --voice COMMAND"):
        Voice("nosuch {wav}")
    for command in ("", "  ", "say 'it"):
        with pytest.raises(ValueError, match="--voice"):
            Voice(command)


def packets_of(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.dts is not None]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265"])
def test_pictures_are_copied_into_mp4_as_they_are(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "v.mp4", num_frames=60, rate=10, codec=codec, b_frames=2, rotation=90)
    path = add_sound(path, tmp_path / "a.mp4", tone(6.0))
    out = tmp_path / "out.mp4"
    write_sound(out, read_sound(find_sound(path)), find_sound(path))
    copied, original = packets_of(out), packets_of(path)
    assert [data for _, data in copied] == [data for _, data in original] and len(copied) == 60
    np.testing.assert_allclose([t for t, _ in copied], [t for t, _ in original], atol=1e-3)
    assert find_sound(out).length_seconds == pytest.approx(6.0, abs=1e-3)
    frames = [list(read_frames(MediaSource("v", p, "video"), np.array([0.05, 3.05]))) for p in (path, out)]
    for (_, before), (_, after) in zip(*frames, strict=True):
        np.testing.assert_array_equal(before, after)
    assert np.abs(len(read_all_sound(out)) - 6 * RATE) < 2 * 1024
    assert is_ours(out) and not is_ours(path) and not is_ours(tmp_path / "nosuch.mp4")
    assert {p.name for p in tmp_path.iterdir()} == {"v.mp4", "a.mp4", "out.mp4"}


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"), [("v.webm", "libvpx", 0), ("v.mkv", "ffv1", 0), ("v.avi", "mpeg4", 2)]
)
def test_pictures_for_which_mp4_has_no_place_are_encoded_again(
    tmp_path: Path, name: str, codec: str, b_frames: int
) -> None:
    path = write_video(tmp_path / name, num_frames=30, rate=10, codec=codec, b_frames=b_frames)
    out = tmp_path / "out.mp4"
    write_sound(out, read_sound(find_sound(path)), find_sound(path))
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"
    assert find_sound(out).length_seconds == pytest.approx(3.0, abs=0.01)
    times = (np.arange(30) + 0.5) / 10
    found = [number_in(frame) for _, frame in read_frames(MediaSource("v", out, "video"), times)]
    assert found == list(range(30))


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_sound_is_written_where_it_was(tmp_path: Path, suffix: str) -> None:
    path = write_recording_with_sound(tmp_path / "a.mp4", BURST, layout="stereo")
    out = tmp_path / f"out.{suffix}"
    write_sound(out, read_sound(find_sound(path)), find_sound(path))
    samples = read_all_sound(out)
    assert len(samples) == pytest.approx(3 * RATE, abs=1024)
    np.testing.assert_allclose(stretches_of(samples, HUM_HERTZ, least=0.1), [(1.0, 2.0)], atol=0.021)
    assert is_ours(out)


def test_a_picture_that_is_not_shown_first_at_0_is_then(tmp_path: Path) -> None:
    """The file's own clock begins elsewhere: sound and pictures are moved together."""
    silent = write_video(tmp_path / "v.mkv", num_frames=30, rate=10, pts=range(7, 37))
    path = add_sound(silent, tmp_path / "a.mkv", BURST, codec="pcm_s16le")
    out = tmp_path / "out.mp4"
    write_sound(out, read_sound(find_sound(path)), find_sound(path))
    assert packets_of(out)[0][0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(stretches_of(read_all_sound(out), HUM_HERTZ, least=0.1), [(0.3, 1.3)], atol=0.03)


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", num_frames=3, rate=10)
    track = find_sound(path)
    with pytest.raises(ValueError, match="written as .wav or .mp4"):
        write_sound(tmp_path / "out.mp3", read_sound(track), track)
    with pytest.raises(MediaError, match="cannot be written"):
        write_sound(tmp_path / "nosuch" / "out.wav", read_sound(track), track)

    def broken() -> object:
        yield np.zeros((100, 1), np.float32)
        raise MediaError("it broke")

    for name in ("out.wav", "out.mp4"):
        with pytest.raises(MediaError, match="it broke"):
            write_sound(tmp_path / name, broken(), track)
    assert {p.name for p in tmp_path.iterdir()} == {"v.mp4"}


def test_sound_goes_on_where_a_clock_begins_anew(tmp_path: Path) -> None:
    """Two transport streams in one file, each of two seconds; only in the second something is heard."""
    sounds = [np.zeros(2 * RATE, dtype=np.float32), np.zeros(2 * RATE, dtype=np.float32)]
    sounds[1][RATE : RATE * 3 // 2] = tone(0.5)
    parts = [write_recording_with_sound(tmp_path / f"{n}.ts", sound).read_bytes() for n, sound in enumerate(sounds)]
    (tmp_path / "film.ts").write_bytes(b"".join(parts))
    track = find_sound(tmp_path / "film.ts")
    assert track.length_seconds == pytest.approx(4.0, abs=0.01)
    heard = stretches_of(np.concatenate(list(read_sound(track)))[:, 0], HUM_HERTZ, least=0.2)
    assert heard == pytest.approx(np.array([[3.0, 3.5]]), abs=0.15)

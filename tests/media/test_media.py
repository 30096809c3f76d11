import gc
import struct
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.errors import MediaError
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.pictures import decode_still, resize_area, still_size
from egoact.media.video.file import VideoFile
from tests.makers.films.media import SIZE, jpeg, number_in, picture, write_sound_only, write_video

RATE = 30
MP4 = "video.mp4"


def source(path: Path) -> MediaSource:
    return MediaSource("video", path, "video")


def seen(path: Path, times: list[float] | np.ndarray, *, num_threads: int = 1) -> list[int | str]:
    """The number shown at each time, or the error's text."""
    answers: list[int | str] = []
    for positions, frame in read_frames(source(path), np.asarray(times, dtype=float), num_threads=num_threads):
        assert positions.start == len(answers), "every position once, in order"
        one = str(frame) if isinstance(frame, MediaError) else number_in(frame)
        answers += [one] * (positions.stop - positions.start)
    return answers


def middles(numbers: list[int], rate: float = RATE) -> list[float]:
    return [(n + 0.5) / rate for n in numbers]


def test_pyav_does_not_log_while_decoders_are_thrown_away(tmp_path: Path) -> None:
    write_video(tmp_path / MP4)
    av.logging.set_level(av.logging.ERROR)  # as older torchvision does when it is imported
    with VideoFile(tmp_path / MP4):
        assert av.logging.get_level() is None, "a damaged recording may wait for Python's lock for ever"


KINDS = {
    "mp4": (MP4, {}),
    "b-frames": (MP4, {"b_frames": 3}),
    "open-gop": (MP4, {"b_frames": 3, "options": {"x264-params": "open-gop=1:scenecut=0"}}),
    "intra-refresh": (MP4, {"options": {"x264-params": "intra-refresh=1:keyint=12"}}),
    "one-key-frame": (MP4, {"gop": 1000, "options": {"x264-params": "keyint=infinite:scenecut=0"}}),
    "all-key-frames": (MP4, {"gop": 1}),
    "fragments": (MP4, {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "sound": (MP4, {"with_sound": True, "b_frames": 2}),
    "mkv": ("video.mkv", {"b_frames": 3}),
    "mov": ("video.MOV", {"codec": "mpeg4"}),
    "avi": ("video.avi", {"codec": "mpeg4"}),
    "avi-b-frames": ("video.avi", {"codec": "mpeg4", "b_frames": 2}),
    "avi-h264": ("video.avi", {"b_frames": 3}),
    "avi-mjpeg": ("video.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "webm-vp8": (
        "video.webm",
        {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"}},
    ),
    "webm-vp9": ("video.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_threads", [0, 1])
def test_the_frame_of_the_moment_comes_from_every_kind_of_file(tmp_path: Path, kind: str, num_threads: int) -> None:
    name, options = KINDS[kind]
    path = write_video(tmp_path / name, num_frames=60, **options)
    numbers = [0, 0, 1, 13, 14, 29, 30, 58, 59]
    assert seen(path, middles(numbers), num_threads=num_threads) == numbers
    assert seen(path, [n / RATE for n in range(60)], num_threads=num_threads) == list(range(60))


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.floats(0, 1.999), min_size=1, max_size=30).map(sorted))
@pytest.mark.parametrize("kind", ["b-frames", "mkv", "avi-h264"])
def test_any_times_give_the_last_frame_that_began(
    tmp_path_factory: pytest.TempPathFactory, kind: str, times: list[float]
) -> None:
    name, options = KINDS[kind]
    path = tmp_path_factory.getbasetemp() / kind / name
    if not path.exists():
        write_video(path, num_frames=60, **options)
    clear = [t for t in times if abs(t * RATE - round(t * RATE)) > 0.0001]
    assert seen(path, clear) == [int(t * RATE) for t in clear]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (MP4, {"gop": 50}),
        ("video.mkv", {"gop": 50}),
        ("video.avi", {"gop": 50, "codec": "mpeg4"}),
        ("video.ts", {"gop": 50}),
        (MP4, {"b_frames": 3, "options": {"x264-params": "open-gop=1:keyint=50:scenecut=0"}}),
        (MP4, {"options": {"x264-params": "keyint=infinite:scenecut=0"}}),
    ],
    ids=["mp4", "mkv", "avi", "ts", "open-gop", "one-key-frame"],
)
def test_long_gaps_are_skipped_to_the_right_frame(tmp_path: Path, name: str, options: dict) -> None:
    path = write_video(tmp_path / name, **({"num_frames": 1200, "b_frames": 2, "size": (48, 96)} | options))
    numbers = [3, 700, 701, 749, 750, 1199]
    assert seen(path, middles(numbers)) == numbers


@pytest.mark.parametrize("name", [MP4, "video.mkv"])
def test_only_what_is_needed_is_decoded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from egoact.media.video import decoder as video_decoder

    path = write_video(tmp_path / name, num_frames=1000, gop=20, size=(48, 96))
    sent = []
    send = video_decoder.Decoder.send

    def count(self, packet, **options):
        sent.append(packet.pts)
        return send(self, packet, **options)

    monkeypatch.setattr(video_decoder.Decoder, "send", count)
    numbers = [205, 205, 206, 600, 985]
    assert seen(path, middles(numbers)) == numbers
    assert len(sent) == len(set(sent)), "no packet is decoded twice"
    assert len(sent) <= 3 * 20 + 5


def test_a_transport_stream_of_one_clock_is_sought_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked through once; after that, what lies before a far moment is not even read."""
    path = write_video(tmp_path / "video.ts", num_frames=1000, gop=20, size=(48, 96))
    assert seen(path, middles([985])) == [985]
    num_reads, read = [0], VideoFile.read

    def count(self):
        num_reads[0] += 1
        return read(self)

    monkeypatch.setattr(VideoFile, "read", count)
    assert seen(path, middles([985])) == [985]
    assert num_reads[0] < 500


def test_non_reference_pictures_that_nobody_wants_are_not_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4, num_frames=61, b_frames=3, gop=61, options={"bf": "3", "b_strategy": "0"})
    assert seen(path, middles([10, 20, 55, 60])) == [10, 20, 55, 60]


def test_each_frame_comes_once_with_all_its_positions(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4)
    times = np.array([0.5, 0.5, 0.51, 0.52, 1.0])
    answers = list(read_frames(source(path), times))
    assert [(p.start, p.stop) for p, _ in answers] == [(0, 4), (4, 5)]


def test_first_timestamp_is_not_zero(tmp_path: Path) -> None:
    for name in ("video.mkv", "video.ts"):
        path = write_video(tmp_path / name, num_frames=40, pts=[100 + i for i in range(40)])
        assert seen(path, middles([0, 5, 39])) == [0, 5, 39]


def test_29_97_frames_per_second_do_not_drift(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    path = write_video(tmp_path / MP4, num_frames=900, rate=rate, size=(48, 96), gop=60)
    numbers = [0, 300, 600, 899]
    assert seen(path, middles(numbers, float(rate))) == numbers
    assert seen(path, [float(n / rate) for n in numbers]) == numbers


@pytest.mark.parametrize("name", [MP4, "video.mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_variable_frame_rate_goes_by_timestamps(tmp_path: Path, name: str, b_frames: int) -> None:
    steps = np.random.default_rng(0).integers(10, 90, size=50)
    starts = np.concatenate([[0], np.cumsum(steps)])[:50]
    path = write_video(
        tmp_path / name, num_frames=50, pts=starts.tolist(), time_base=Fraction(1, 1000), b_frames=b_frames
    )
    times = (starts + 5) / 1000
    assert seen(path, times) == list(range(50))
    assert seen(path, (starts[1:] - 2) / 1000) == list(range(49))


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_rotated_or_mirrored_phone_video_is_upright(tmp_path: Path, degrees: int, is_mirrored: bool) -> None:
    upright = [picture(7) for _ in range(5)]
    unmirrored = [image[:, ::-1] if is_mirrored else image for image in upright]  # as it is after turning
    stored = [np.ascontiguousarray(np.rot90(image, -degrees // 90)) for image in unmirrored]
    size = (stored[0].shape[0], stored[0].shape[1])
    path = write_video(tmp_path / MP4, images=stored, size=size, rotation=degrees, is_mirrored=is_mirrored)
    (_, frame), *_ = read_frames(source(path), np.array([0.0]))
    assert frame.shape == upright[0].shape
    assert number_in(frame) == 7
    assert np.abs(frame.astype(int) - upright[0]).mean() < 6
    (_, small), *_ = read_frames(source(path), np.array([0.0]), size=(64, 64))
    assert np.abs(small.astype(int) - resize_area(upright[0], (64, 64))).mean() < 6


def test_pictures_are_gone_once_nobody_needs_them(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4, num_frames=20, size=(46, 74), rotation=90)  # as large as no other pictures
    gc.collect()
    gc.disable()
    try:
        assert len(list(read_frames(source(path), middles(list(range(20)))))) == 20
        kept = [one for one in gc.get_objects() if isinstance(one, av.VideoFrame)]
        assert (46, 74) not in [(picture.height, picture.width) for picture in kept]
    finally:
        gc.enable()


def test_lossless_rgb_comes_out_exactly(tmp_path: Path) -> None:
    images = [np.random.default_rng(i).integers(0, 256, (32, 48, 3), dtype=np.uint8) for i in range(3)]
    path = write_video(tmp_path / "video.mkv", images=images, size=(32, 48), codec="ffv1", pixel_format="bgr0")
    frames = [frame for _, frame in read_frames(source(path), np.arange(3) / RATE)]
    np.testing.assert_array_equal(frames, images)


BT601, BT709, LIMITED, FULL, UNSPECIFIED = 5, 1, 1, 2, 2


@pytest.mark.parametrize(
    ("size", "tag", "red_blue", "is_full"),
    [
        ((48, 64), BT601, (0.299, 0.114), False),
        ((48, 64), BT601, (0.299, 0.114), True),
        ((48, 64), BT709, (0.2126, 0.0722), False),
        ((48, 64), BT709, (0.2126, 0.0722), True),
        ((48, 64), UNSPECIFIED, (0.299, 0.114), False),
        ((720, 64), UNSPECIFIED, (0.2126, 0.0722), False),
    ],
)
def test_colours_follow_the_matrix_and_range_of_the_video(
    tmp_path: Path, size: tuple[int, int], tag: int, red_blue: tuple[float, float], is_full: bool
) -> None:
    """Encodes Y'CbCr that is computed here from ITU-R's definition, and expects the RGB back."""
    colours = [(200, 30, 40), (20, 180, 60), (30, 50, 210), (128, 128, 128), (235, 235, 16), (16, 200, 200)]
    rgb = np.zeros((*size, 3))
    for i, colour in enumerate(colours):
        rgb[:, i * 10 : i * 10 + 14] = colour
    kr, kb = red_blue
    luma = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    blue, red = (rgb[..., 2] - luma) / (2 - 2 * kb), (rgb[..., 0] - luma) / (2 - 2 * kr)
    scale_y, offset, scale_c = (1, 0, 1) if is_full else (219 / 255, 16, 224 / 255)
    planes = np.stack([luma * scale_y + offset, blue * scale_c + 128, red * scale_c + 128])
    frame = av.VideoFrame.from_ndarray(planes.round().clip(0, 255).astype(np.uint8), "yuv444p")
    path = tmp_path / MP4
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt, stream.options = *size, "yuv444p", {"qp": "0"}
        frame.colorspace = stream.codec_context.colorspace = tag
        frame.color_range = stream.codec_context.color_range = FULL if is_full else LIMITED
        for i in range(3):
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (_, got), *_ = read_frames(source(path), np.array([0.0]))
    assert np.abs(got - rgb).max() <= 3
    (_, small), *_ = read_frames(source(path), np.array([0.0]), size=(24, 32))
    assert np.abs(small[:, 1].astype(int) - np.array(colours[0])).max() <= 3


def test_resizing_averages_areas(tmp_path: Path) -> None:
    checks = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checks[..., None], 3, axis=-1)
    path = write_video(tmp_path / "v.mkv", images=[image] * 2, size=(128, 128), codec="ffv1", pixel_format="bgr0")
    (_, frame), *_ = read_frames(source(path), np.array([0.0]), size=(32, 32))
    assert frame.shape == (32, 32, 3)
    assert np.abs(frame.astype(int) - 127).max() <= 2, "no aliasing"


def test_other_streams_do_not_get_in_the_way(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4, with_sound=True, num_frames=90)
    assert seen(path, middles([0, 45, 89])) == [0, 45, 89]


# What goes wrong


def test_beyond_the_end_is_an_error_of_those_times_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4, num_frames=30)
    first, second, third = seen(path, [0.999, 1.001, 50.0])
    assert first == 29
    assert second == third
    assert "at 1.001 s: beyond the end of the video, whose pictures last 1.000 s" in str(second)


def test_a_header_that_promises_too_much(tmp_path: Path) -> None:
    path = write_video(tmp_path / MP4, num_frames=30, with_sound=False)
    content = bytearray(path.read_bytes())
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        at = content.index(box) + 4
        place = at + (20 if box == b"tkhd" else 16)
        content[place : place + 4] = struct.pack(">I", 100 * int.from_bytes(content[place : place + 4]))
    path.write_bytes(content)
    answers = seen(path, [0.5, 30.0])
    assert answers[0] == 15
    assert "beyond the end" in str(answers[1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("This is not a video.\n" * 200)


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://localhost:9/secret.ts\n#EXT-X-ENDLIST\n")


def no_index(path: Path) -> None:
    """The start of an MP4 whose index would have come last."""
    write_video(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def absent(path: Path) -> None:
    path.unlink(missing_ok=True)


def folder(path: Path) -> None:
    path.mkdir()


def header_only(path: Path) -> None:
    write_video(path, container_options={"movflags": "frag_keyframe+empty_moov"})
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moof") - 4])


@pytest.mark.parametrize(
    "make", [empty, text, playlist, no_index, noise, absent, folder, header_only, write_sound_only]
)
def test_what_is_no_video_is_one_clear_line(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / MP4
    make(path)
    with pytest.raises(MediaError) as caught:
        list(read_frames(source(path), np.array([0.0])))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_sound_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video stream"):
        list(read_frames(source(write_sound_only(tmp_path / MP4)), np.array([0.0])))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (MP4, {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        (MP4, {"container_options": {"movflags": "faststart"}}),
        ("video.mkv", {}),
        ("video.avi", {"codec": "mpeg4"}),
    ],
    ids=["fragments", "faststart", "mkv", "avi"],
)
@pytest.mark.parametrize("num_threads", [0, 1])
def test_a_truncated_file_gives_what_it_holds(tmp_path: Path, name: str, options: dict, num_threads: int) -> None:
    path = write_video(tmp_path / name, num_frames=120, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    answers = seen(path, middles(list(range(120))), num_threads=num_threads)
    good = [n for n in answers if isinstance(n, int)]
    assert 20 < len(good) < 100
    assert good == list(range(len(good))), "right frames up to the cut, errors from there on"


def break_packets(path: Path, *, first: int, count: int, filler: bytes) -> None:
    """Overwrite the middle of some packets."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[first : first + count]:
        content[position + size // 4 : position + size * 3 // 4] = (filler * size)[: size * 3 // 4 - size // 4]
    path.write_bytes(content)


@pytest.mark.parametrize("num_threads", [0, 1])
@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("filler", [b"\x00", b"\xa5\x3c\x99\x17\xe2"])
def test_damaged_packets_are_errors_up_to_the_next_key_frame(
    tmp_path: Path, num_threads: int, b_frames: int, filler: bytes
) -> None:
    path = write_video(tmp_path / MP4, num_frames=120, gop=24, b_frames=b_frames, size=(144, 240))
    clean = [f for _, f in read_frames(source(path), np.array(middles(list(range(120)))))]
    break_packets(path, first=30, count=3, filler=filler)
    answers = {}
    for positions, frame in read_frames(source(path), np.array(middles(list(range(120)))), num_threads=num_threads):
        answers[positions.start] = frame
    failed = [n for n, frame in answers.items() if isinstance(frame, MediaError)]
    assert failed
    assert set(failed) <= set(range(24, 48))
    assert set(range(34, 48)) <= set(failed), "what refers to a damaged picture is damaged"
    assert "cannot be decoded" in str(answers[failed[0]])
    assert str(path) in str(answers[failed[0]])
    assert f"at {failed[0] / RATE + 0.5 / RATE:.3f} s" in str(answers[failed[0]])
    for n, frame in answers.items():
        if n not in failed:
            np.testing.assert_array_equal(frame, clean[n])


def test_lost_packets_are_a_hole_in_a_regular_video(tmp_path: Path) -> None:
    """A Matroska reader jumps over what it cannot make out; the picture before must not fill in."""
    path = write_video(tmp_path / "video.mkv", num_frames=120, gop=24)
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    content[packets[50][0] - 8 : packets[60][0] + packets[60][1] + 8] = b"\xff" * (
        packets[60][0] + packets[60][1] + 8 - packets[50][0] + 8
    )
    path.write_bytes(content)
    answers = seen(path, middles(list(range(120))))
    assert answers[:49] == list(range(49))
    assert answers[72:] == list(range(72, 120)) or answers[96:] == list(range(96, 120))
    assert not [n for n, a in enumerate(answers) if isinstance(a, int) and a != n]


@pytest.mark.parametrize("times", [[-0.1], [1.0, 0.5], [np.nan], [np.inf], [[0.0]]])
def test_impossible_times_are_refused(tmp_path: Path, times: list) -> None:
    with pytest.raises(ValueError, match="ascending"):
        list(read_frames(source(tmp_path / MP4), np.array(times)))


def test_no_times_need_no_frames(tmp_path: Path) -> None:
    assert list(read_frames(source(write_video(tmp_path / MP4)), np.array([]))) == []


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Stopping in the middle closes the file."""
    path = write_video(tmp_path / MP4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = read_frames(source(path), np.array(middles([1, 2, 3])))
        next(frames)
        frames.close()
    path.unlink()


def test_a_picture_of_more_pixels_than_any_camera_has_is_not_decoded() -> None:
    size = SIZE[0].to_bytes(2) + SIZE[1].to_bytes(2)
    large = jpeg(1).replace(b"\x08" + size, b"\x08" + b"\xff\xdc" * 2)
    assert still_size(large) == (65500, 65500)
    with pytest.raises(ValueError, match="65500 x 65500"):
        decode_still(large, size=None)

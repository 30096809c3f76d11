import tarfile
from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import MediaError
from egoact.media.sources import MediaRoot, MediaSource, find_media, read_frames
from egoact.media.stills.flow import FlowSource, find_flow, read_flow
from egoact.media.stills.tar_index import index_tar
from tests.makers.films.media import (
    frame_members,
    jpeg,
    number_in,
    picture,
    write_folder,
    write_tar,
    write_video,
)

VIDEO = "P01_101"  # 50 frames per second
OLD_VIDEO = "P01_01"  # 60


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def touch_folder(path: Path) -> Path:
    touch(path / "frame_0000000001.jpg")
    return path


def seen(source: MediaSource, times: list[float]) -> list[int | str]:
    answers: list[int | str] = []
    for positions, frame in read_frames(source, np.array(times)):
        one = str(frame) if isinstance(frame, MediaError) else number_in(frame)
        answers += [one] * (positions.stop - positions.start)
    return answers


# Which recording


def test_the_order_of_choices(tmp_path: Path) -> None:
    places = [
        touch_folder(tmp_path / "P01/rgb_frames" / VIDEO),
        touch(tmp_path / f"P01/rgb_frames/{VIDEO}.tar"),
        touch(tmp_path / f"P01/videos/{VIDEO}.MP4"),
        touch(tmp_path / f"{VIDEO}.mp4"),
    ]
    for place in places:
        assert find_media(tmp_path, VIDEO).path == place
        if place.is_dir():
            (place / "frame_0000000001.jpg").unlink()
        else:
            place.unlink()
    with pytest.raises(MediaError, match=f"no recording called {VIDEO}"):
        find_media(tmp_path, VIDEO)


@pytest.mark.parametrize(
    "place",
    [
        "{}.mp4",
        "{}.MP4",
        "{}.Mkv",
        "a/{}.avi",
        "a/b/{}.mov",
        "a/b/c/{}.webm",
        "{}.MTS",
        "{}.tar",
        "a/b/{}.TAR",
        "{}/frame_0000000001.jpg",
        "a/b/{}/frame_0000000001.jpg",
        "rgb_frames/{}.tar",
        "P99/rgb_frames/{}.tar",
    ],
)
def test_flat_places(tmp_path: Path, place: str) -> None:
    path = touch(tmp_path / place.format("my.video 1"))
    assert find_media(tmp_path, "my.video 1").path == (path.parent if path.suffix == ".jpg" else path)


@pytest.mark.parametrize(
    "place",
    [
        "a/b/c/d/{}.mp4",
        "{}.txt",
        "{}",
        "{}/other.jpg",
        ".{}.mp4",
        "{}.mp4.part",
        "P01/flow_frames/{}.tar",
        "P01/flow_frames/{}/u/frame_0000000001.jpg",
        "{}/u/frame_0000000001.jpg",
    ],
)
def test_what_is_no_recording_of_that_name(tmp_path: Path, place: str) -> None:
    touch(tmp_path / place.format(VIDEO))
    with pytest.raises(MediaError, match="found no recording at all"):
        find_media(tmp_path, VIDEO)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("{}.mp4", "{}.MP4"),
        ("{}.mp4", "other/{}.mkv"),
        ("a/{}.tar", "b/{}/frame_0000000001.jpg"),
        ("P01/videos/{}.MP4", "P01/videos/{}.mp4"),
    ],
)
def test_two_of_equal_rank_are_both_named(tmp_path: Path, one: str, two: str) -> None:
    paths = [touch(tmp_path / place.format(VIDEO)) for place in (one, two)]
    with pytest.raises(MediaError) as caught:
        find_media(tmp_path, VIDEO)
    for path in paths:
        assert str(path.parent if path.suffix == ".jpg" else path) in str(caught.value)


def test_a_link_to_the_same_file_is_no_second_recording(tmp_path: Path) -> None:
    path = touch(tmp_path / f"{VIDEO}.mp4")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / f"{VIDEO}.mp4").symlink_to(path)
    assert find_media(tmp_path, VIDEO).path.resolve() == path


def test_one_listing_answers_for_all_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        touch(tmp_path / f"P{i:02d}/videos/P{i:02d}_01.MP4")
    root = MediaRoot(tmp_path)
    monkeypatch.setattr("os.scandir", lambda path: pytest.fail("listed again"))
    assert [root.find(f"P{i:02d}_01").kind for i in range(30)] == ["video"] * 30
    with pytest.raises(MediaError, match=r"found 30 others, such as P00_01, P01_01, P02_01"):
        root.find("P99_01")


def test_a_folder_of_frames_is_not_listed_to_the_end(tmp_path: Path) -> None:
    folder = touch_folder(tmp_path / VIDEO)
    for i in range(2, 50):
        touch(folder / f"frame_{i:010d}.jpg")
    (folder / "frame_0000000050.jpg").mkdir()  # would be walked into
    assert find_media(tmp_path, VIDEO).kind == "folder"


def test_accents_are_spelled_in_two_ways(tmp_path: Path) -> None:
    path = touch(tmp_path / "ku\u0308che.mp4")
    assert find_media(tmp_path, "k\u00fcche").path == path
    assert find_media(tmp_path, "ku\u0308che").video_id == MediaSource.of_file(path).video_id == "k\u00fcche"
    (tmp_path / "flow/u\u0308_1/u").mkdir(parents=True)
    flow = find_flow(tmp_path, "\u00fc_1", frame_rate=50, stride=2)
    assert flow.path.name == "u\u0308_1" and flow.video_id == "\u00fc_1"


def test_a_media_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="media folder does not exist"):
        find_media(tmp_path / "nowhere", VIDEO)


# Frames by number and rate


@pytest.mark.parametrize(("video", "rate"), [(VIDEO, 50), (OLD_VIDEO, 60)])
def test_frames_are_one_based_at_the_rate_of_the_id(tmp_path: Path, video: str, rate: int) -> None:
    write_folder(tmp_path / video, numbers=range(rate))
    source = find_media(tmp_path, video)
    assert seen(source, [n / rate for n in range(rate)]) == list(range(rate))
    assert seen(source, [0.0, 0.5, 0.5 + 0.9 / rate]) == [0, rate // 2, rate // 2]


def test_other_recordings_must_say_their_rate(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", numbers=range(20))
    with pytest.raises(MediaError, match=r"Give --frame-rate, or write the number into a file fps\.txt"):
        seen(find_media(tmp_path, "mine"), [0.0])
    assert seen(find_media(tmp_path, "mine", frame_rate=10), [1.0]) == [10]
    (folder / "fps.txt").write_text("15\n")
    assert seen(find_media(tmp_path, "mine", frame_rate=10), [1.0]) == [15]
    (folder / "fps.txt").write_text("30000/1001")
    assert seen(find_media(tmp_path, "mine"), [0.5]) == [14]


@pytest.mark.parametrize("content", ["", "fast", "0", "-3", "1/0", "nan", "25 frames", "\u00b2"])
def test_a_rate_that_is_none(tmp_path: Path, content: str) -> None:
    folder = write_folder(tmp_path / "mine", numbers=range(2))
    (folder / "fps.txt").write_text(content)
    with pytest.raises(MediaError, match=r"fps\.txt: this file should hold one number"):
        seen(find_media(tmp_path, "mine"), [0.0])


def as_folder(path: Path, members: dict[str, bytes]) -> MediaSource:
    for name, content in members.items():
        target = path / VIDEO / name.removeprefix("./")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return find_media(path, VIDEO)


def as_tar(path: Path, members: dict[str, bytes]) -> MediaSource:
    write_tar(path / f"{VIDEO}.tar", members)
    return find_media(path, VIDEO)


@pytest.mark.parametrize("store", [as_folder, as_tar])
class TestStills:
    """What holds for folders and tars alike."""

    def test_each_frame_once_with_all_its_positions(self, tmp_path: Path, store) -> None:
        source = store(tmp_path, frame_members(range(10)))
        answers = list(read_frames(source, np.array([0.0, 0.001, 0.1, 0.1, 0.119])))
        assert [(p.start, p.stop) for p, _ in answers] == [(0, 2), (2, 5)]

    def test_a_missing_frame_fails_its_times_only(self, tmp_path: Path, store) -> None:
        members = frame_members(range(10))
        del members["./frame_0000000004.jpg"]
        before, lost, after, beyond = seen(store(tmp_path, members), [0.05, 0.07, 0.09, 5.0])
        assert (before, after) == (2, 4)
        assert "frame 4" in str(lost)
        assert "at 0.070 s" in str(lost)
        assert "missing (the last one is 10)" in str(lost)
        assert "there is no frame 251: the last one is 10" in str(beyond)

    def test_progressive_and_grey_pictures_are_read(self, tmp_path: Path, store) -> None:
        members = frame_members(range(6))
        members["./frame_0000000003.jpg"] = jpeg(2, progressive=True)
        members["./frame_0000000004.jpg"] = jpeg(3, grey=True)
        frames = [f for _, f in read_frames(store(tmp_path, members), np.arange(6) / 50)]
        assert [number_in(f) for f in frames] == list(range(6))
        assert frames[3].shape == frames[0].shape
        assert np.ptp(frames[3], axis=-1).max() == 0

    def test_a_picture_of_another_size_is_an_error(self, tmp_path: Path, store) -> None:
        members = frame_members(range(6))
        members["./frame_0000000003.jpg"] = jpeg(2, size=(48, 72))
        answers = seen(store(tmp_path, members), [n / 50 for n in range(6)])
        assert answers[:2] + answers[3:] == [0, 1, 3, 4, 5]
        assert "72 x 48 pixels, but the recording is 144 x 96" in str(answers[2])

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (lambda c: c[: len(c) // 2], "truncated"),
            (lambda c: c[:-1], "truncated"),
            (lambda c: c[: len(c) // 2] + bytes(len(c) - len(c) // 2), "truncated"),
            (lambda c: b"", "empty"),
            (lambda c: b"GIF89a" + c[6:], "not a JPEG"),
            (lambda c: c[:2] + b"\xff\xd9", "not a JPEG"),
            (lambda c: c[:200] + b"\xff\xd9", "JPEG"),
        ],
        ids=["half", "last-byte", "zeros", "empty", "gif", "no-header", "header-only"],
    )
    def test_a_damaged_picture_is_an_error(self, tmp_path: Path, store, damage, reason: str) -> None:
        members = frame_members(range(4))
        members["./frame_0000000003.jpg"] = damage(members["./frame_0000000003.jpg"])
        answers = seen(store(tmp_path, members), [n / 50 for n in range(4)])
        assert answers[:2] + answers[3:] == [0, 1, 3]
        assert reason in str(answers[2])
        assert "frame 3, at 0.040 s" in str(answers[2])

    def test_padding_after_a_picture_is_no_damage(self, tmp_path: Path, store) -> None:
        members = frame_members(range(2))
        members["./frame_0000000002.jpg"] += bytes(100)
        assert seen(store(tmp_path, members), [0.0, 0.02]) == [0, 1]


# Tars


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./", "P01_101/", "home/" * 30, "h\u00f6me/"])
def test_every_format_of_tar(tmp_path: Path, kind: int, prefix: str) -> None:
    write_tar(tmp_path / f"{VIDEO}.tar", frame_members(range(5), prefix=prefix), kind=kind)
    assert seen(find_media(tmp_path, VIDEO), [n / 50 for n in range(5)]) == list(range(5))


def test_the_index_agrees_with_tarfile(tmp_path: Path) -> None:
    members = {"readme.txt": b"x" * 700, **frame_members(range(40)), "empty": b"", "fps.txt": b"25"}
    path = write_tar(tmp_path / "v.tar", members, kind=tarfile.GNU_FORMAT)
    index = index_tar(path)
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                assert index.find("", int(member.name[-14:-4])) == (member.offset_data, member.size)
    assert index.rate_place is not None
    assert not index.is_truncated


def test_an_index_is_made_once_and_anew_when_the_file_changes(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "v.tar", frame_members(range(3)))
    first = index_tar(path)
    assert index_tar(path) is first
    write_tar(path, frame_members(range(9)))
    assert index_tar(path).last("") == 9


def test_a_tar_is_read_whatever_the_order_of_its_members(tmp_path: Path) -> None:
    members = frame_members(range(8))
    shuffled = {name: members[name] for name in reversed(members)}
    write_tar(tmp_path / f"{VIDEO}.tar", shuffled)
    assert seen(find_media(tmp_path, VIDEO), [n / 50 for n in range(8)]) == list(range(8))


@pytest.mark.parametrize("part", [0.3, 0.5, 0.77])
def test_a_truncated_tar_gives_what_it_holds_and_says_why_not_more(tmp_path: Path, part: float) -> None:
    path = write_tar(tmp_path / f"{VIDEO}.tar", frame_members(range(20)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    answers = seen(find_media(tmp_path, VIDEO), [n / 50 for n in range(20)])
    good = [a for a in answers if isinstance(a, int)]
    assert good == list(range(len(good)))
    assert 0 < len(good) < 20
    assert all("the archive is truncated" in str(a) for a in answers[len(good) :])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.write_bytes(b""), "truncated"),
        (lambda p: p.write_text("not a tar\n" * 100), "is not a tar"),
        (lambda p: write_tar(p, frame_members(range(3)), mode="w:gz"), "compressed with gzip"),
        (lambda p: write_tar(p, {**frame_members([1], prefix="a/"), **frame_members([2], prefix="b/")}), "two folders"),
    ],
    ids=["empty", "text", "gzip", "two-recordings"],
)
def test_what_is_no_tar_of_frames(tmp_path: Path, make, reason: str) -> None:
    make(tmp_path / f"{VIDEO}.tar")
    try:
        answers = seen(find_media(tmp_path, VIDEO), [0.0])
    except MediaError as error:
        answers = [str(error)]
    assert reason in str(answers[0])


def test_a_tar_that_is_damaged_in_the_middle(tmp_path: Path) -> None:
    path = write_tar(tmp_path / f"{VIDEO}.tar", frame_members(range(20)))
    with tarfile.open(path) as tar:
        offset = tar.getmembers()[10].offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 100] = b"\xaa" * 100
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"damaged here: no header"):
        seen(find_media(tmp_path, VIDEO), [0.0])


def test_sizes_of_eight_gibibytes_and_more_are_understood(tmp_path: Path) -> None:
    """GNU writes them in base 256, pax in an extra record; here the file then ends, as after a broken download."""
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        member = tarfile.TarInfo("frame_0000000001.jpg")
        member.size = 9 << 30
        header = member.tobuf(format=kind)
        path = tmp_path / f"{kind}.tar"
        path.write_bytes(header + b"\xff" * 512)
        index = index_tar(path)
        assert index.find("", 1) == (len(header), 9 << 30)
        assert index.is_truncated


# The same moment from all three


def test_folder_tar_and_mp4_of_one_recording_show_the_same(tmp_path: Path) -> None:
    """The size of EPIC-KITCHENS' frames; MP4 and JPEG lose a little, each in its own way."""
    size, numbers = (256, 456), range(60)
    images = [picture(n, size=size) for n in numbers]
    mp4 = write_video(tmp_path / "mp4" / f"{VIDEO}.MP4", images=images, size=size, rate=50, b_frames=2)
    write_tar(tmp_path / "tar" / f"{VIDEO}.tar", frame_members(numbers, size=size))
    write_folder(tmp_path / "folder" / VIDEO, numbers=numbers, size=size)
    assert mp4.exists()
    times = np.sort(np.random.default_rng(0).uniform(0, 1.2, 25))
    read = {
        layout: [frame for _, frame in read_frames(find_media(tmp_path / layout, VIDEO), times, size=(256, 256))]
        for layout in ("mp4", "tar", "folder")
    }
    assert len(read["tar"]) == len(read["mp4"])
    for a, b, c in zip(read["folder"], read["tar"], read["mp4"], strict=True):
        np.testing.assert_array_equal(a, b)
        assert number_in(a) == number_in(c)
        assert np.abs(a.astype(int) - c).mean() < 3.5


@pytest.mark.parametrize("size", [(128, 128), (64, 300), (300, 60), (300, 300)])
def test_jpegs_and_videos_are_resized_alike(tmp_path: Path, size: tuple[int, int]) -> None:
    """Smooth pictures, so that only the geometry of resizing can make a difference."""
    y, x = np.mgrid[0:120, 0:200]
    image = np.stack([x + y / 2, y * 2, 255 - x], axis=-1).clip(0, 255).astype(np.uint8)
    write_video(tmp_path / "v.mkv", images=[image] * 2, size=(120, 200), codec="ffv1", pixel_format="bgr0")
    write_folder(tmp_path / "f", numbers=[0], size=(120, 200))
    import cv2

    path = tmp_path / "f/frame_0000000001.jpg"
    path.write_bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
    (_, one), *_ = read_frames(find_media(tmp_path, "v"), np.array([0.0]), size=size)
    (_, two), *_ = read_frames(find_media(tmp_path, "f", frame_rate=30), np.array([0.0]), size=size)
    assert one.shape == two.shape == (*size, 3)
    assert np.abs(one.astype(int) - two).mean() < 1.5


# Optical flow


def flow_members(num_frames: int) -> dict[str, bytes]:
    return {
        f"./{part}/frame_{i:010d}.jpg": jpeg(i + offset, grey=True)
        for part, offset in (("u", 0), ("v", 1000))
        for i in range(1, num_frames + 1)
    }


def flow_numbers(source: FlowSource, times: list[float]) -> list[tuple[int, int] | str]:
    answers: list[tuple[int, int] | str] = []
    for positions, flow in read_flow(source, np.array(times)):
        if isinstance(flow, MediaError):
            one: tuple[int, int] | str = str(flow)
        else:
            assert flow.dtype == np.uint8
            assert flow.shape == (96, 144, 2)
            u, v = (number_in(np.repeat(flow[..., i, None], 3, axis=-1)) for i in (0, 1))
            one = (u, v)
        answers += [one] * (positions.stop - positions.start)
    return answers


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize(("video", "rate", "stride"), [(OLD_VIDEO, 60, 2), (VIDEO, 50, 1)])
def test_flow_has_its_own_stride(tmp_path: Path, as_archive: bool, video: str, rate: int, stride: int) -> None:
    home = tmp_path / "P01/flow_frames"
    if as_archive:
        write_tar(home / f"{video}.tar", flow_members(10))
    else:
        for name, content in flow_members(10).items():
            path = home / video / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    times = [(rgb - 0.5) / rate for rgb in range(1, 11)]
    expected = [(rgb - 1) // stride + 1 for rgb in range(1, 11)]
    assert flow_numbers(find_flow(tmp_path, video), times) == [(n, n + 1000) for n in expected]


def test_flow_goes_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no optical flow of P01_101"):
        find_flow(tmp_path, VIDEO)
    members = flow_members(5)
    del members["./v/frame_0000000003.jpg"]
    write_tar(tmp_path / f"P01/flow_frames/{VIDEO}.tar", members)
    answers = flow_numbers(find_flow(tmp_path, VIDEO), [0.025, 0.045, 0.065])
    assert (answers[0], answers[2]) == ((2, 1002), (4, 1004))
    assert "frame 3 is missing" in str(answers[1])


def test_flow_of_other_recordings_needs_rate_and_stride(tmp_path: Path) -> None:
    for name, content in flow_members(3).items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(ValueError, match="frame_rate and stride must be given"):
        find_flow(tmp_path, "mine")
    assert flow_numbers(find_flow(tmp_path, "mine", frame_rate=10, stride=1), [0.15]) == [(2, 1002)]


def test_several_folders_are_searched_as_one(tmp_path: Path) -> None:
    write_folder(tmp_path / f"disk_1/P01/rgb_frames/{VIDEO}", numbers=[3])
    write_tar(tmp_path / f"disk_2/P01/rgb_frames/{OLD_VIDEO}.tar", frame_members([5]))
    write_tar(tmp_path / f"disk_2/P01/rgb_frames/{VIDEO}.tar", frame_members([7]))  # the folder comes first
    root = MediaRoot([tmp_path / "disk_1", tmp_path / "disk_2"])
    assert root.video_ids == sorted([VIDEO, OLD_VIDEO])
    assert [seen(root.find(video), [0.0]) for video in (VIDEO, OLD_VIDEO)] == [[3], [5]]
    write_folder(tmp_path / f"disk_2/P01/rgb_frames/{VIDEO}", numbers=[9])
    with pytest.raises(MediaError, match="two recordings are called .*disk_1.* and .*disk_2"):
        MediaRoot([tmp_path / "disk_1", tmp_path / "disk_2"]).find(VIDEO)
    with pytest.raises(MediaError, match="disk_3: the media folder does not exist"):
        MediaRoot([tmp_path / "disk_1", tmp_path / "disk_3"])
    with pytest.raises(ValueError, match="at least one folder"):
        MediaRoot([])


def test_the_tar_of_one_recording_can_hold_both(tmp_path: Path) -> None:
    """RGB frames are found beside u/ and v/."""
    write_tar(tmp_path / f"{VIDEO}.tar", {**frame_members(range(4)), **flow_members(4)})
    assert seen(find_media(tmp_path, VIDEO), [0.03]) == [1]


def test_an_archive_without_end_mark_is_read(tmp_path: Path) -> None:
    path = write_tar(tmp_path / f"{VIDEO}.tar", frame_members([5]))
    with tarfile.open(path) as tar:
        member = tar.getmembers()[0]
    path.write_bytes(path.read_bytes()[: member.offset_data + -(-member.size // 512) * 512])
    assert seen(find_media(tmp_path, VIDEO), [0.0]) == [5]

import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from egoact.core.errors import ArtifactError
from egoact.engines.hands import HandDetector, network
from egoact.engines.hands.detections import SIZE, decode, grid_anchors, overlap, suppress
from egoact.engines.hands.detector import GRIDS, PALMS
from egoact.engines.hands.network import letterbox
from egoact.media.sources import MediaSource, read_frames
from tests.makers.films.hands import needs_hand_model
from tests.makers.machines.places import SHARED

VIDEOS = SHARED / "data/gtea/videos"


def test_anchors_are_those_of_the_published_graph() -> None:
    """`SsdAnchorsCalculator` with the options of `palm_detection_cpu.pbtxt`, written out as its loops are."""
    strides, expected, layer = (8, 16, 16, 16), [], 0
    while layer < len(strides):
        last, num_each = layer, 0
        while last < len(strides) and strides[last] == strides[layer]:
            last, num_each = last + 1, num_each + 2  # aspect ratio 1, and one between this scale and the next
        cells = -(-SIZE // strides[layer])
        for y in range(cells):
            for x in range(cells):
                expected += [((x + 0.5) / cells, (y + 0.5) / cells)] * num_each
        layer = last
    anchors = grid_anchors(GRIDS)
    assert anchors.shape == (2016, 2) == (len(expected), 2)
    np.testing.assert_allclose(anchors, expected, atol=1e-7)


def test_rows_are_decoded_around_their_anchors() -> None:
    anchors = np.array([[0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
    outputs = np.zeros((2, 18), dtype=np.float32)
    outputs[0, :8] = 19.2, -19.2, 38.4, 96, 9.6, 0, 0, 9.6  # centre, size, two keypoints; pixels of 192
    coordinates, scores = decode(outputs, np.array([0.0, 500.0], dtype=np.float32), anchors)
    np.testing.assert_allclose(coordinates[0, :4], [0.5, 0.15, 0.7, 0.65], atol=1e-6)
    np.testing.assert_allclose(coordinates[0, 4:8], [0.55, 0.5, 0.5, 0.55], atol=1e-6)
    np.testing.assert_allclose(coordinates[1], [0.25, 0.75] * 9, atol=1e-6)
    assert scores.tolist() == [0.5, 1.0]


def test_overlap() -> None:
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [1, 1, 3, 3], [2, 0, 4, 2], [0, 0, 1, 1], [1, 1, 1, 1]], dtype=float)
    np.testing.assert_allclose(overlap(others[0], others), [1, 1 / 3, 1 / 7, 0, 1 / 4, 0])
    assert overlap(others[5], others[5:]).tolist() == [0]


def test_each_palm_is_given_once_blended_by_score() -> None:
    def row(x: float, y: float = 0.0) -> list[float]:
        return [x, y, x + 1, y + 1, x, y]

    coordinates = np.array([row(0.2), row(0), row(0.1), row(5), row(0.9), row(7)], dtype=np.float32)
    scores = np.array([0.6, 0.9, 0.3, 0.5, 0.8, 0.499], dtype=np.float32)
    found, best = suppress(coordinates, scores, min_score=0.3, max_overlap=0.3)
    # (0, 0.2, 0.1) are one; 0.9 touches the first too little; 5 and 7 are alone.
    x = (0.9 * 0 + 0.6 * 0.2 + 0.3 * 0.1) / 1.8
    np.testing.assert_allclose(found, [row(x), row(0.9), row(5), row(7)], atol=1e-6)
    np.testing.assert_allclose(best, [0.9, 0.8, 0.5, 0.499])
    found, best = suppress(coordinates, scores)
    assert best.tolist() == pytest.approx([0.9, 0.8, 0.5]), "below the threshold nothing is blended in either"
    np.testing.assert_allclose(found[0], row(0.6 * 0.2 / 1.5), atol=1e-6)


def test_boxes_inside_out_are_no_palms() -> None:
    coordinates = np.array([[0.5, 0, 0.4, 1], [0, 0.5, 1, 0.4]], dtype=np.float32)
    found, best = suppress(coordinates, np.ones(2, dtype=np.float32))
    assert found.shape == (0, 4) and best.shape == (0,)


def test_pictures_get_their_true_shape_in_a_black_square() -> None:
    squeezed = np.full((64, 64, 3), 255, dtype=np.uint8)
    square, place = letterbox(squeezed, aspect_ratio=16 / 9)
    assert place == (0, 42 / 192, 1, 108 / 192)
    assert square.shape == (192, 192, 3) and (square[42:150] == 1).all()
    assert not square[:42].any() and not square[150:].any()
    square, place = letterbox(squeezed, aspect_ratio=0.5)
    assert place == (0.25, 0, 0.5, 1) and (square[:, 48:144] == 1).all() and square.sum() == 3 * 96 * 192


def test_the_network_is_read_from_a_wheel_or_a_file(tmp_path: Path) -> None:
    content = b"\0\0\0\0TFL3" + b"\0" * 20
    wheel, plain = tmp_path / "mediapipe-0.whl", tmp_path / "palms.tflite"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mediapipe/modules/palm_detection/palm_detection_lite.tflite", content)
    plain.write_bytes(content)
    assert PALMS.read(wheel) == content == PALMS.read(plain)


def test_what_is_no_palm_detector_is_refused_and_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = r"pip install --no-deps mediapipe==0.10.21.*--hand-model"
    empty, text, other = tmp_path / "a.whl", tmp_path / "b.tflite", tmp_path / "c.whl"
    zipfile.ZipFile(empty, "w").close()
    text.write_text("hello, this is text")
    other.write_text("neither is this a zip")
    for path, reason in (
        (empty, "no wheel of MediaPipe"),
        (other, "no wheel"),
        (text, "not a TensorFlow Lite network"),
    ):
        with pytest.raises(ArtifactError, match=f"{path.name}: {reason}.*{how}"):
            HandDetector(path)
    with pytest.raises(ArtifactError, match=f"nowhere: cannot be read .*{how}"):
        HandDetector(Path("nowhere"))
    text.write_bytes(b"\0\0\0\0TFL3" + b"\1" * 99)
    with pytest.raises(ArtifactError, match=f"a damaged network.*{how}"):
        HandDetector(text)
    monkeypatch.setattr(network, "_find_spec", lambda: None)
    with pytest.raises(ArtifactError, match=f"MediaPipe is not installed; .*{how}"):
        HandDetector()


@pytest.fixture(scope="module")
def detector() -> HandDetector:
    needs_hand_model()
    return HandDetector()


@pytest.mark.usefixtures("detector")
def test_mediapipe_is_never_imported() -> None:
    assert "mediapipe" not in sys.modules


def test_frames_of_another_kind_are_refused(detector: HandDetector) -> None:
    for frames in (np.zeros((1, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 4), np.uint8)):
        with pytest.raises(ValueError, match="must be uint8"):
            detector.run(frames)
    with pytest.raises(ValueError, match="times as wide as high"):
        detector.run(np.zeros((1, 8, 8, 3), np.uint8), aspect_ratio=0)


def test_nothing_is_found_in_nothing(detector: HandDetector) -> None:
    assert detector.run(np.zeros((3, 60, 80, 3), np.uint8)) == [(), (), ()]
    assert detector.run(np.zeros((0, 60, 80, 3), np.uint8)) == []


def gtea_frame(video: str, second: float) -> np.ndarray:
    path = VIDEOS / f"{video}.mp4"
    if not path.exists():
        pytest.skip(f"the recordings of GTEA are not here ({path})")
    _, frame = next(iter(read_frames(MediaSource(video, path, "video"), np.array([second]))))
    assert isinstance(frame, np.ndarray)
    return frame


# What MediaPipe 0.10.21's own graph PalmDetectionCpu (complexity 0) answers: score, box, wrist, knuckle.
MEDIAPIPE = {
    ("S2_Cheese_C1", 12.51): [
        (0.7781, 0.3716, 0.5965, 0.4736, 0.7779, 0.3824, 0.7634, 0.4326, 0.6199),
        (0.7781, 0.6590, 0.5280, 0.7627, 0.7123, 0.7568, 0.7028, 0.6816, 0.5752),
    ],
    ("S2_Peanut_C1", 28.51): [
        (0.9290, 0.6591, 0.3613, 0.8029, 0.6168, 0.7882, 0.6166, 0.7008, 0.3866),
        (0.6846, 0.2642, 0.5877, 0.4007, 0.8302, 0.3042, 0.8258, 0.3347, 0.6157),
    ],
    ("S2_Coffee_C1", 16.51): [(0.8332, 0.6385, 0.6430, 0.7118, 0.7732, 0.7069, 0.7621, 0.6648, 0.6734)],
    ("S2_Pealate_C1", 16.51): [
        (0.9252, 0.6064, 0.6616, 0.6918, 0.8134, 0.6919, 0.7853, 0.6210, 0.6885),
        (0.7993, 0.3787, 0.6574, 0.4669, 0.8142, 0.3892, 0.8048, 0.4331, 0.6737),
    ],
    ("S2_Tea_C1", 4.51): [],
}


@pytest.fixture(scope="module")
def as_mediapipe() -> HandDetector:
    needs_hand_model()
    return HandDetector(min_score=0.5)


@pytest.mark.parametrize(("video", "second"), MEDIAPIPE)
def test_palms_are_those_that_mediapipe_finds(as_mediapipe: HandDetector, video: str, second: float) -> None:
    small = cv2.resize(gtea_frame(video, second), (192, 108), interpolation=cv2.INTER_AREA)
    (palms,) = as_mediapipe.run(small[None])
    from_right = sorted(palms, key=lambda p: -p.box[0])
    expected = sorted(MEDIAPIPE[video, second], key=lambda row: -row[1])
    assert len(palms) == len(expected)
    for palm, (score, *coordinates) in zip(from_right, expected, strict=True):
        np.testing.assert_allclose((*palm.box, *palm.wrist, *palm.knuckle), coordinates, atol=1e-3)
        assert palm.score == pytest.approx(score, abs=1e-3)


def test_squeezed_frames_show_the_same_palms(detector: HandDetector) -> None:
    """The frames that features are computed from are squeezed into a square."""
    frame = gtea_frame("S2_Peanut_C1", 28.51)
    squeezed = cv2.resize(frame, (256, 256), interpolation=cv2.INTER_AREA)
    (as_recorded,) = detector.run(frame[None])
    (palms,) = detector.run(squeezed[None], aspect_ratio=frame.shape[1] / frame.shape[0])
    assert len(palms) == len(as_recorded) == 2
    for palm, other in zip(palms, as_recorded, strict=True):
        np.testing.assert_allclose(palm.box, other.box, atol=0.02)


def test_a_batch_has_the_palms_of_its_frames(detector: HandDetector) -> None:
    frames = np.stack([gtea_frame(*key) for key in MEDIAPIPE])
    together = detector.run(frames)
    assert together == [detector.run(frame[None])[0] for frame in frames]
    assert len({len(palms) for palms in together}) > 1


IS_STOPPED = """
import sys
import numpy as np
from egoact.engines.hands import HandDetector, detector
letterbox = detector.letterbox
def is_stopped_at_the_second(frame, **options):
    if frame.any():
        raise KeyboardInterrupt
    return letterbox(frame, **options)
detector.letterbox = is_stopped_at_the_second
frames = np.zeros((2, 64, 64, 3), dtype=np.uint8)
frames[1] = 1
try:
    HandDetector().run(frames)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.usefixtures("detector")  # which says how to get it
def test_ctrl_c_between_two_pictures_does_not_abort_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", IS_STOPPED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")

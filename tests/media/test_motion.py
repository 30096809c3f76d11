"""Descriptors of motion: the camera's own is found and taken off, what moves by itself is found where it is."""

import cv2
import numpy as np
import pytest

from egoact.media.flow.descriptors import (
    CELLS,
    NUM_NUMBERS,
    MotionDescriptor,
    describe_flow,
    remove_camera_motion,
    split_camera_motion,
)

SIDE = 256
LAG = 0.1
NUM_CELLS = CELLS[0] * CELLS[1]
MEAN_U, MEAN_V, MEAN_LENGTH = (slice(i * NUM_CELLS, (i + 1) * NUM_CELLS) for i in range(3))
CAMERA, WHOLE = slice(NUM_NUMBERS - 11, NUM_NUMBERS - 5), slice(NUM_NUMBERS - 5, NUM_NUMBERS)


def texture(seed: int, side: int = SIDE) -> np.ndarray:
    """float32 (side, side, 3), smooth enough for flow and with detail everywhere."""
    noise = np.random.default_rng(seed).normal(0, 1, (side, side)).astype(np.float32)
    waves = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (2, 5, 12))
    scaled = cv2.normalize(waves, None, 20, 235, cv2.NORM_MINMAX)
    return np.repeat(scaled[..., None], 3, axis=2)


def describe(earlier: np.ndarray, current: np.ndarray) -> np.ndarray:
    pair = [np.clip(p, 0, 255).astype(np.uint8)[None] for p in (current, earlier)]
    (row,) = MotionDescriptor()(pair[0], pair[1], lag_seconds=LAG)
    return row


def test_a_moved_picture_is_the_cameras_motion_and_leaves_nothing_over() -> None:
    right, down = 6, -4
    scene = texture(0, SIDE + 64)
    earlier, current = (scene[32 + y : 32 + y + SIDE, 32 + x : 32 + x + SIDE] for x, y in ((0, 0), (-right, -down)))
    row = describe(earlier, current)
    a, b, c, d, e, f = row[CAMERA]
    assert row.shape == (NUM_NUMBERS,) and row.dtype == np.float32
    assert a == pytest.approx(right / SIDE / LAG, rel=0.05) and d == pytest.approx(down / SIDE / LAG, rel=0.05)
    assert np.abs([b, c, e, f]).max() < 0.03
    with_camera, left_over = row[WHOLE][:2]
    assert with_camera == pytest.approx(np.hypot(a, d), rel=0.1)
    assert left_over < 0.1 * with_camera


def test_a_patch_that_moves_by_itself_is_motion_in_its_cells_whatever_the_camera_does() -> None:
    scene, patch = texture(1, SIDE + 64), texture(2)[:112, :128]
    earlier, current = scene[32:-32, 32:-32].copy(), scene[32:-32, 29:-35].copy()  # the camera moves 3 pixels
    earlier[136:248, 40:168] = patch
    current[136:248, 50:178] = patch  # 10 pixels to the right: 7 more than the rest
    row = describe(earlier, current)
    lengths = row[MEAN_LENGTH].reshape(CELLS)
    inside, outside = lengths[2:, 2], lengths[:2]  # cells of 64 x 43 pixels
    assert inside.min() > 4 * outside.max()
    u, v = row[MEAN_U].reshape(CELLS)[2:, 2], row[MEAN_V].reshape(CELLS)[2:, 2]
    assert u == pytest.approx(np.full(2, 7 / SIDE / LAG), rel=0.4) and np.abs(v).max() < 0.05
    assert row[CAMERA][0] == pytest.approx(3 / SIDE / LAG, abs=0.04)


def test_nothing_moves_between_equal_pictures() -> None:
    picture = texture(3)
    assert not describe(picture, picture).any()


def test_neither_the_size_of_pictures_nor_the_time_between_them_matters() -> None:
    scene = texture(4, SIDE + 64)
    at = [np.clip(scene[32:-32, 32 - x : 32 - x + SIDE], 0, 255).astype(np.uint8)[None] for x in (0, 4, 8)]
    describe_pair = MotionDescriptor()
    one, two = (describe_pair(at[n], at[0], lag_seconds=n * LAG)[0] for n in (1, 2))
    assert one[CAMERA] == pytest.approx(two[CAMERA], abs=0.02)
    small = [cv2.resize(picture[0], (192, 128), interpolation=cv2.INTER_AREA)[None] for picture in at[:2]]
    assert describe_pair(small[1], small[0], lag_seconds=LAG)[0][CAMERA] == pytest.approx(one[CAMERA], abs=0.02)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (64, 96)])
def test_an_affine_field_is_found_below_a_tenth_that_moves_otherwise(height: int, width: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    across, down = (x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1
    truth = np.array([1.5, -0.4, 0.3, -0.7, 0.2, 0.6])
    terms = np.stack([np.ones_like(across), across, down], axis=-1)
    flow = np.stack([terms @ truth[:3], terms @ truth[3:]], axis=-1)
    hand = np.zeros((height, width), bool)
    hand[height // 2 :, width // 3 : width // 3 + width // 5] = True
    flow[hand] += (5, -3)
    points = flow.reshape(1, -1, 2).astype(np.float32)
    camera, left = split_camera_motion(points, height=height, width=width)
    assert camera[0] == pytest.approx(truth, abs=0.1)
    for rest in (left.reshape(height, width, 2), remove_camera_motion(flow.astype(np.float32))):
        assert rest[hand].mean(0) == pytest.approx([5, -3], abs=0.1) and np.abs(rest[~hand]).max() < 0.2
    together = describe_flow(np.repeat(flow[None].astype(np.float32), 3, axis=0))
    assert together.shape == (3, NUM_NUMBERS) and (together == together[0]).all()


@pytest.mark.parametrize(
    ("shapes", "lag", "told"),
    [
        (((1, 64, 64, 3), (2, 64, 64, 3)), 0.1, r"one shape, got uint8 \(1, 64, 64, 3\) and uint8 \(2, 64, 64, 3\)"),
        (((1, 64, 64, 3), (1, 64, 64, 3)), 0.0, "motion takes time, got 0.0 s"),
    ],
)
def test_what_has_no_motion_is_refused(shapes: tuple[tuple[int, ...], ...], lag: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MotionDescriptor()(*(np.zeros(shape, np.uint8) for shape in shapes), lag_seconds=lag)

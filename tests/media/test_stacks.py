"""Stacks of flow and of differences: which pictures, in which order, and what becomes of damage."""

from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import MediaError
from egoact.media import pairs
from egoact.media.pairs import read_stacks
from egoact.media.sources import MediaSource, read_clip
from egoact.media.stills.flow import FlowSource
from tests.makers.films.media import write_video

RATE, SIZE = 10, (16, 24)


def test_differences_of_six_frames_follow_each_other_up_to_the_moment(tmp_path: Path) -> None:
    source = MediaSource("a", write_video(tmp_path / "a.mp4", rate=RATE, num_frames=30), "video")
    times = np.array([0.25, 0.95, 0.95, 1.05, 2.45])
    found = list(read_stacks(source, times, count=5, lag_seconds=1 / 15, size=SIZE))
    assert [where for where, _ in found] == [slice(n, n + 1) for n in range(5)]
    every = read_clip(source, np.arange(30) / RATE + 0.01, size=SIZE).astype(int)
    for (_, stack), last in zip(found, (2, 9, 9, 10, 24), strict=True):
        numbers = [max(last - n, 0) for n in (5, 4, 3, 2, 1, 0)]
        wanted = [np.clip(every[b] - every[a] + 128, 0, 255) for a, b in zip(numbers, numbers[1:], strict=False)]
        np.testing.assert_array_equal(stack, np.concatenate(wanted, axis=2))
    assert found[1][1].shape == (*SIZE, 15)  # type: ignore[union-attr]


def test_of_flow_it_is_u_and_v_of_the_last_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made flow, whose u is the number of its frame and v ten more; frame 9 is damaged."""
    error = MediaError("damaged", path=tmp_path)

    def read(source: FlowSource, times: np.ndarray, **_: object):
        for position, number in enumerate(np.floor(times * source.frame_rate / source.stride + 1e-6).astype(int)):
            made = np.full((2, 2, 2), (number, number + 10), np.uint8)
            yield slice(position, position + 1), error if number == 9 else made

    monkeypatch.setattr(pairs, "read_flow", read)
    source = FlowSource("a", tmp_path, frame_rate=60, stride=2)
    found = list(read_stacks(source, np.array([2, 8, 9, 30]) / 30, count=5, lag_seconds=0, size=(2, 2)))
    seen = [stack if stack is error else stack[0, 0].tolist() for _, stack in found]  # type: ignore[index, union-attr]
    assert seen == [
        [0, 10, 0, 10, 0, 10, 1, 11, 2, 12],
        [4, 14, 5, 15, 6, 16, 7, 17, 8, 18],
        error,
        [26, 36, 27, 37, 28, 38, 29, 39, 30, 40],
    ]

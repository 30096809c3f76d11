"""Masks: where they are, how boxes become masks, and their file."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import ArtifactError
from egoact.privacy.blurring import mask_picture
from egoact.privacy.masks import MARGIN_SECONDS, Box, Mask, Masks, link, widen


def box(x: float, y: float = 0.5, size: float = 0.1) -> Box:
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def test_a_mask_moves_in_straight_lines_and_covers_both_ends() -> None:
    mask = Mask(((1.0, box(0.2)), (2.0, box(0.4)), (3.0, box(0.4, size=0.2))))
    assert mask.at(1.0) == pytest.approx(box(0.2)) and mask.at(1 - MARGIN_SECONDS) is not None
    assert mask.at(1 - MARGIN_SECONDS - 0.01) is None and mask.at(3 + MARGIN_SECONDS + 0.01) is None
    before = mask.at(0.8)
    assert before is not None and before[0] == pytest.approx(0.11) and before[2] == pytest.approx(0.25)  # from the left
    assert Mask(((1.0, box(0.2)),)).at(1.3) == box(0.2)
    left, _, right, _ = mask.at(1.25)  # type: ignore[misc]
    assert left == pytest.approx(0.15) and right == pytest.approx(0.3)  # from the nearer end to the way
    assert mask.at(2.9)[2] == pytest.approx(0.5)  # type: ignore[index]  # the larger one counts early


def test_boxes_are_linked_and_gaps_are_bridged() -> None:
    one = [(t / 10, [(box(0.2 + t / 100), 0.9 if t == 3 else 0.35)]) for t in range(10)]
    gap = [(1 + t / 10, []) for t in range(5)]
    again = [(1.5 + t / 10, [(box(0.32), 0.4), (box(0.8), 0.45)]) for t in range(3)]
    [mask] = link([*one, *gap, *again], sure=0.5, most_gap_seconds=1.0)  # type: ignore[list-item]
    assert mask.score == 0.9 and mask.keyframes[0][0] == 0 and mask.keyframes[-1][0] == pytest.approx(1.7)
    assert mask.at(1.2) is not None
    masks = link([*one, *gap, *again], sure=0.4, most_gap_seconds=0.3)  # type: ignore[list-item]
    assert len(masks) == 3


def test_masks_survive_their_file(tmp_path: Path) -> None:
    masks = Masks([Mask(((0.5, (0.25, 0.5, 0.5, 0.75)), (1.0, (0.3, 0.5, 0.5, 0.7))), 0.7)], [(2.0, 3.5)])
    masks.write(tmp_path / "m.json", recording="a.mp4")
    assert Masks.read(tmp_path / "m.json") == masks
    told = json.loads((tmp_path / "m.json").read_text())
    assert told["masks"][0]["start_seconds"] == 0.1 and told["recording"] == "a.mp4"


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"masks": [{"keyframes": []}]},
        {"masks": [{"keyframes": [[0, 0.5, 0.5, 0.4, 0.6]]}]},
        {"masks": [{"keyframes": [[0, 0.5, 0.5, 1.4, 0.6]]}]},
        {"masks": [{"keyframes": [[0, 0.5]]}]},
        {"hidden": [[3, 2]]},
        {"masks": None},
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "m.json"
    Masks([Mask(((0.5, box(0.3)),))]).write(path, recording="a.mp4")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match="no masks"):
        Masks.read(path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        Masks.read(tmp_path / "nothing.json")


def test_pictures_are_blurred_inside_alone() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (100, 200, 3), dtype=np.uint8)
    masks = Masks([Mask(((1.0, box(0.5, size=0.4)),))], [(5, 6)])
    masked = mask_picture(picture, masks, 1.0)
    assert np.array_equal(masked[:, :50], picture[:, :50]) and np.array_equal(masked[:25], picture[:25])
    assert masked[45:55, 90:110].std() < 20 < picture[45:55, 90:110].std()  # noise became a colour
    assert np.array_equal(mask_picture(picture, masks, 3.0), picture)
    assert mask_picture(picture, masks, 5.5).max() == 0
    corner = Masks([Mask(((1.0, (0.0, 0.0, 1.0, 1.0)),))])
    assert mask_picture(picture, corner, 1.0)[50, 100].tolist() != picture[50, 100].tolist()


def test_boxes_stay_in_the_picture() -> None:
    assert widen((0.0, 0.9, 0.1, 1.0), 0.5) == (0.0, 0.85, 0.15, 1.0)

"""What a palm detector's output says: boxes of palms with scores, each palm once. Arrays in, palms out.

Shapes: A anchors, N candidates, K keypoints.

Sources: SSD, arXiv:1512.02325, section 2; BlazePalm in arXiv:2006.10214, section 2.1; blending of overlapping boxes
("weighted non-maximum suppression") in BlazeFace, arXiv:1907.05047, section 3.3.
"""

from collections.abc import Iterator, Sequence

import numpy as np

SIZE = 192  # pixels a side of the network's input
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
_MOST_LOGIT = 80.0  # beyond, float32 cannot hold the exponential
_NUM_BOX = 4  # the numbers of a box; those after them are keypoints


def grid_anchors(grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """Centres of anchors, the places that each row of a detector's output is about: float32 (A, 2), x before y.

    They are shares of the input: row by row and from left to right, all anchors of a place in a row. All are squares as
    large as the picture ("fixed anchor size"), so that the centre is all there is to them. Of each grid the stride in
    pixels is given, and how many anchors are at each place.

    >>> grid_anchors([(8, 2), (16, 6)]).shape, grid_anchors([(4, 1)])[1].round(4).tolist()
    ((2016, 2), [0.03130000084638596, 0.010400000028312206])
    """
    parts = []
    for stride, num_each in grids:
        middles = (np.arange(SIZE // stride) + 0.5) * stride / SIZE
        y, x = np.meshgrid(middles, middles, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), num_each, axis=0))
    return np.concatenate(parts).astype(np.float32)


def decode(outputs: np.ndarray, logits: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the network as coordinates and scores.

    Args:
        outputs: float32 (A, 4 + 2 K): centre x and y from the anchor, width, height, keypoints from the anchor; pixels
            of the network's input.
        logits: float32 (A,).
        anchors: (A, 2), see `grid_anchors`.

    Gives float32 (A, 4 + 2 K): left, top, right, bottom, x and y of each keypoint, as shares of the input; and scores
    (A,), from 0 to 1.
    """
    values = outputs.astype(np.float32) / SIZE
    centre, half = values[:, :2] + anchors, values[:, 2:_NUM_BOX] / 2
    keypoints = values[:, _NUM_BOX:] + np.tile(anchors, (values.shape[1] - _NUM_BOX) // 2)
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float32), -_MOST_LOGIT, _MOST_LOGIT)))
    return np.concatenate([centre - half, centre + half, keypoints], axis=1), scores


def suppress(
    coordinates: np.ndarray, scores: np.ndarray, *, min_score: float = MIN_SCORE, max_overlap: float = MAX_OVERLAP
) -> tuple[np.ndarray, np.ndarray]:
    """Each palm once: the best candidate, blended with those that overlap it, all weighted by their scores.

    Two candidates are of the same palm where their intersection over union is above `max_overlap`. Those below
    `min_score` are left out, as are boxes inside out. Takes (N, 4 + 2 K) and (N,) of `decode`; gives (M, 4 + 2 K) and
    (M,), best first.
    """
    is_box = (coordinates[:, :2] <= coordinates[:, 2:_NUM_BOX]).all(axis=1)
    kept = (scores >= min_score) & is_box
    coordinates, scores = coordinates[kept], scores[kept]
    palms = list(group_overlapping(coordinates[:, :_NUM_BOX], scores, max_overlap=max_overlap))
    blended = [np.average(coordinates[same], axis=0, weights=scores[same]) for same in palms]
    best = [scores[same[0]] for same in palms]
    return np.array(blended, np.float32).reshape(-1, coordinates.shape[1]), np.array(best, np.float32)


def group_overlapping(boxes: np.ndarray, scores: np.ndarray, *, max_overlap: float) -> Iterator[np.ndarray]:
    """Rows of boxes (N, 4) that are of the same thing: the best of those that are left, and what overlaps it."""
    left = np.argsort(-scores, kind="stable")
    while len(left):
        is_same = overlap(boxes[left[0]], boxes[left]) > max_overlap
        is_same[0] = True  # also where it has no area
        yield left[is_same]
        left = left[~is_same]


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) and others (N, 4), each left, top, right, bottom; (N,), from 0 to 1."""
    corners = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(corners, 0), axis=1)
    area, areas = (np.prod(np.maximum(b[..., 2:4] - b[..., :2], 0), axis=-1) for b in (box, others))
    union = area + areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)

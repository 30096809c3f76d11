import numpy as np
import pytest
import torch

from egoact.core.metrics.detection import temporal_overlaps
from egoact.models.detectors import Detector, DetectorModel, build_detector
from egoact.training.segmentation.detection import _distance_iou, assign, detection_loss, find_runs
from egoact.training.segmentation.fit import Example, fit_segmenter
from egoact.training.segmentation.recipe import SegmenterRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def made(**options: int) -> DetectorModel:
    torch.manual_seed(0)
    model = build_detector(num_channels=[6], sizes=[3, 4], components=6, members=2, options=options)
    return model.eval()


def test_runs_are_stretches_in_which_no_label_changes() -> None:
    labels = torch.tensor([[[2, 0, 0, 0, 1, 1], [3, 1, 1, 2, 2, 2]]])
    starts, stops = find_runs(labels)
    assert starts[0].tolist() == [0, 1, 1, 3, 4, 4]
    assert stops[0].tolist() == [1, 3, 3, 4, 6, 6]


def test_an_action_is_learned_by_points_near_its_middle_on_a_level_of_its_length() -> None:
    starts, stops = torch.full((1, 32), 8), torch.full((1, 32), 24)  # of 16 steps
    inside = torch.zeros(1, 32, dtype=torch.bool)
    inside[:, 8:24] = True
    levels = [assign(starts, stops, inside, stride=2**n, number=n, num_levels=4) for n in range(4)]
    learned = [(chosen[0].nonzero()[:, 0] * 2**n).tolist() for n, (chosen, _) in enumerate(levels)]
    assert learned == [[], [14, 16][2:], [12, 16, 20], []]
    chosen, reaches = levels[2]
    for point in chosen[0].nonzero()[:, 0].tolist():
        assert point * 4 + 0.5 - reaches[0, 0, point] == 8
        assert point * 4 + 0.5 + reaches[0, 1, point] == 24


def test_every_action_of_any_length_has_a_point() -> None:
    for length in range(1, 200):
        for first in (0, 3, 17):
            starts, stops = torch.full((1, 256), first), torch.full((1, 256), first + length)
            inside = torch.zeros(1, 256, dtype=torch.bool)
            inside[:, first : first + length] = True
            count = sum(
                int(assign(starts, stops, inside, stride=2**n, number=n, num_levels=6)[0].sum()) for n in range(6)
            )
            assert count > 0, (length, first)


def test_the_loss_of_ends_is_that_of_its_definition() -> None:
    said, wanted = torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 1.0]])  # [-2, 3) and [-4, 1)
    expected = 1 - 3 / 7 + (2 / 7) ** 2
    assert _distance_iou(said, wanted).item() == pytest.approx(expected)
    assert _distance_iou(wanted, wanted).item() == pytest.approx(0.0)


def test_padding_changes_nothing() -> None:
    detector = made().segmenters[0]
    x, mask = torch.randn(2, 6, 96), torch.ones(2, 1, 96)
    mask[1, :, 64:] = 0
    with torch.inference_mode():
        together, alone = detector(x * mask, mask), detector(x[1:, :, :64], torch.ones(1, 1, 64))
    for padded, own in zip(together, alone, strict=True):
        for ours, theirs in zip(padded.logits + padded.reaches, own.logits + own.reaches, strict=True):
            torch.testing.assert_close(ours[1, :, : theirs.shape[2]], theirs[0], atol=1e-4, rtol=1e-4)


def test_what_is_unknown_teaches_nothing() -> None:
    detector = made().segmenters[0]
    x, mask = torch.randn(1, 6, 40), torch.ones(1, 1, 40)
    loss = detection_loss(detector, x, torch.full((1, 2, 40), -1), mask, sizes=[3, 4])
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in detector.parameters())


@pytest.mark.slow
def test_a_detector_learns_where_actions_begin_and_end() -> None:
    """Two classes that the first features tell of; the ends of what is found are exact to a step or two."""

    def recording(seed: int) -> Example:
        random = np.random.default_rng(seed)
        labels = np.full((1, 160), 2)
        place = 4
        while place < 140:
            length = int(random.integers(5, 20))
            labels[0, place : place + length] = random.integers(2)
            place += length + int(random.integers(4, 10))
        shown = np.eye(3)[labels[0]]
        return Example((shown + random.normal(0, 0.1, shown.shape)).astype(np.float32), labels)

    torch.manual_seed(0)
    model = build_detector(
        num_channels=[3], sizes=[3], components=3, members=1, options={"width": 24, "levels": 4, "dropout": 0.0}
    )
    recipe = SegmenterRecipe(updates=65, batch_size=4, learning_rate=1e-2)
    fitted = fit_segmenter(model.segmenters[0], [recording(n) for n in range(6)], sizes=[3], recipe=recipe, seed=0)
    assert isinstance(fitted, Detector)
    model.members[0] = fitted
    model.narrow.basis0.copy_(torch.eye(3))  # type: ignore[union-attr, operator]
    new = recording(99)
    (found,) = model.propose(new.features)
    starts, stops = (value[0].numpy() for value in find_runs(torch.from_numpy(new.labels)[None]))
    actions = sorted(
        {(int(starts[i]), int(stops[i]), int(new.labels[0, i])) for i in range(160) if new.labels[0, i] < 2}
    )
    overlaps = [
        temporal_overlaps(start, stop, found.spans[:100][found.classes[:100] == kind]).max()
        for start, stop, kind in actions
    ]
    assert np.mean(overlaps) > 0.8
    said = model.score(new.features)
    np.testing.assert_allclose(np.exp(said).sum(1), 1, atol=1e-5)
    assert (said.argmax(1) == new.labels[0]).mean() > 0.8


@pytest.mark.parametrize(
    ("options", "words"),
    [({"stages": 2}, "no option 'stages'"), ({"levels": 0}, "the detector.s levels"), ({"dropout": 1.0}, "below 1")],
)
def test_impossible_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(**options)

"""Which clips an epoch takes, in which order, and what is read of them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.store.layout.manifest import StoreSpec
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from egoact.training.loops import clips as clips_module
from egoact.training.loops.clips import Clips, Part, shuffled
from tests.makers.data.clips import write_clips
from tests.makers.data.features import other_spec

NUM_CLIPS = 23
VIEWS = 3
SPEC: StoreSpec = other_spec(feature_shape=(2,))
SAMPLING = ClipSampling(4, VIEWS)
SEGMENTS = [Segment(f"A_{i}", "A", "A", float(i), i + 1.0) for i in range(NUM_CLIPS)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Features that say which clip, view and frame they are: [clip, view + frame / 10]."""
    path = tmp_path_factory.mktemp("store") / "features"
    clip, view, frame = np.meshgrid(range(NUM_CLIPS), range(VIEWS), range(4), indexing="ij")
    with StoreWriter(path, SPEC) as writer:
        write_clips(writer, SEGMENTS, list(np.stack([clip, view + frame / 10], -1)), SAMPLING)
    return FeatureStore.open(path)


@pytest.fixture
def read_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips are not held, but read a few at a time."""
    monkeypatch.setattr(clips_module, "_HELD_BYTES", 0)
    monkeypatch.setattr(clips_module, "clips_at_once", lambda *_: 5)


def clips(store: FeatureStore) -> Clips:
    """Clip i is segment NUM_CLIPS - 1 - i, so that the two are not taken for one another."""
    rows = store.locate(SEGMENTS[::-1], SAMPLING)
    labels = {"verb": np.arange(NUM_CLIPS) % 4, "noun": np.arange(NUM_CLIPS) % 3}
    return Clips(store, rows, labels, device=torch.device("cpu"))


def parts(num: int = NUM_CLIPS, **options: Any) -> list[Part]:
    return shuffled(np.zeros((num, VIEWS, 4)), **({"batch_size": 5, "seed": 0, "epoch": 0} | options))


def positions(found: list[Part]) -> list[int]:
    return [int(p) for part, _ in found for p in part]


def views(found: list[Part]) -> list[int]:
    return [int(v) for _, part in found for v in part]


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("batch_size", [1, 5, 22, 23, 100])
def test_every_clip_comes_once_an_epoch_with_its_own_features_and_labels(
    store: FeatureStore, is_held: bool, batch_size: int, request: pytest.FixtureRequest
) -> None:
    if not is_held:
        request.getfixturevalue("read_as_they_come")
    whole, drawn = clips(store), parts(batch_size=batch_size)
    assert sorted(positions(drawn)) == list(range(NUM_CLIPS))
    for (chosen, of_view), (features, labels) in zip(drawn, whole.read(drawn), strict=True):
        assert 1 <= len(chosen) <= batch_size
        assert features.shape == (len(chosen), 4, 2) and features.dtype == torch.float32
        assert features[:, 0, 0].tolist() == (NUM_CLIPS - 1 - chosen).tolist()
        assert features[:, 0, 1].tolist() == of_view.tolist()
        assert labels["verb"].tolist() == (chosen % 4).tolist() and labels["noun"].tolist() == (chosen % 3).tolist()
        assert labels["verb"].dtype == torch.int64


@pytest.mark.usefixtures("read_as_they_come")
def test_without_shuffling_clips_come_in_order_in_view_0(store: FeatureStore) -> None:
    found = clips(store).in_order()
    assert positions(found) == list(range(NUM_CLIPS)) and [len(part) for part, _ in found] == [5, 5, 5, 5, 3]
    for features, _ in clips(store).read(found):
        expected = torch.tensor([0, 0.1, 0.2, 0.3]).half().float().expand(len(features), 4)
        torch.testing.assert_close(features[:, :, 1], expected)


def test_the_order_and_the_views_depend_on_seed_and_epoch_alone() -> None:
    orders, seen = [], []
    for epoch in range(4):
        torch.manual_seed(epoch)
        np.random.seed(epoch)
        one, same, other = (parts(seed=seed, epoch=epoch) for seed in (7, 7, 8))
        assert positions(one) == positions(same) != positions(other)
        assert views(one) == views(same) != views(other)
        assert set(views(one)) == set(range(VIEWS))
        orders.append(positions(one))
        seen.append(dict(zip(orders[-1], views(one), strict=True)))
    assert len({tuple(order) for order in orders}) == 4
    changing = sum(len({views_of[clip] for views_of in seen}) > 1 for clip in range(NUM_CLIPS))
    assert changing > NUM_CLIPS / 2


def test_the_order_comes_from_no_global_randomness() -> None:
    before = np.random.get_state()[1].copy()
    parts()
    assert (np.random.get_state()[1] == before).all()


@given(
    num=st.integers(1, NUM_CLIPS),
    num_processes=st.integers(1, 5),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_processes_share_the_clips(num: int, num_processes: int, batch_size: int, epoch: int) -> None:
    assume(num >= num_processes)
    ranks = [
        parts(num, batch_size=batch_size, rank=r, num_processes=num_processes, epoch=epoch)
        for r in range(num_processes)
    ]
    together = [clip for rank in ranks for clip in positions(rank)]
    assert len(set(together)) == len(together), "a clip is given to two processes"
    # Every process makes equally many steps, so a remainder waits for another epoch.
    assert {len(positions(rank)) for rank in ranks} == {num // num_processes}


@pytest.mark.parametrize("num_processes", [1, 2, 4])
def test_processes_share_what_is_measured(store: FeatureStore, num_processes: int) -> None:
    ranks = [positions(clips(store).in_order(rank, num_processes)) for rank in range(num_processes)]
    assert sorted(sum(ranks, [])) == list(range(NUM_CLIPS))


def test_what_a_remainder_leaves_out_changes_from_epoch_to_epoch() -> None:
    seen = {clip for e in range(4) for r in range(4) for clip in positions(parts(rank=r, num_processes=4, epoch=e))}
    assert seen == set(range(NUM_CLIPS))


def test_weights_are_the_odds_of_being_drawn() -> None:
    weights = np.full(NUM_CLIPS, 1.0)
    weights[4], weights[9] = 0.0, 20.0
    drawn: Counter[int] = Counter()
    for epoch in range(200):
        found = positions(parts(weights=weights, epoch=epoch))
        assert len(found) == NUM_CLIPS
        drawn.update(found)
    total = 200 * NUM_CLIPS
    assert drawn[4] == 0
    assert drawn[9] / total == pytest.approx(20 / weights.sum(), abs=0.03)
    assert drawn[0] / total == pytest.approx(1 / weights.sum(), abs=0.01)


@pytest.mark.usefixtures("read_as_they_come")
def test_one_batch_is_read_ahead_and_no_more(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, read = clips(store), []
    gather = FeatureStore.gather
    monkeypatch.setattr(
        FeatureStore, "gather", lambda self, rows, **o: (read.append(len(rows)), gather(self, rows, **o))[1]
    )
    for _ in whole.read(whole.in_order()):
        break
    assert len(read) <= 2
    read.clear()
    assert len(list(whole.read(whole.in_order()))) == len(read) == 5


@pytest.mark.usefixtures("read_as_they_come")
def test_what_is_wrong_with_a_batch_is_told_in_its_turn(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(self: FeatureStore, rows: np.ndarray, **options: object) -> np.ndarray:
        if store.locate(SEGMENTS[12:13], SAMPLING)[0, 0, 0] in rows:
            raise ArtifactError("this shard is damaged", path=self.path)
        return np.zeros((len(rows), 4, 2), dtype=np.float16)

    whole = clips(store)
    monkeypatch.setattr(FeatureStore, "gather", gather)
    found = whole.read(whole.in_order())
    assert [len(next(found)[0]) for _ in range(2)] == [5, 5]
    with pytest.raises(ArtifactError, match="damaged"):
        next(found)

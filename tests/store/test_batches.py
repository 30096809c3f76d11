from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.store.batches import Batch, ClipBatches
from egoact.store.layout.manifest import StoreSpec
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
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


def batches(store: FeatureStore, *, num: int = NUM_CLIPS, **options: object) -> ClipBatches:
    """Clip i is segment num - 1 - i, so that the two are not taken for one another."""
    rows = store.locate(SEGMENTS[:num][::-1], SAMPLING)
    labels = {"verb": np.arange(num) % 4, "noun": np.arange(num) % 3}
    return ClipBatches(store, rows, labels, **({"batch_size": 5} | options))


def positions(found: ClipBatches) -> list[int]:
    return [int(p) for batch in found for p in batch.positions]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 22, 23, 100])
def test_every_clip_comes_once_an_epoch_with_its_own_features_and_labels(
    store: FeatureStore, shuffle: bool, batch_size: int
) -> None:
    found = batches(store, shuffle=shuffle, batch_size=batch_size)
    drawn = list(found)
    assert len(drawn) == len(found)
    assert sorted(positions(found)) == list(range(NUM_CLIPS))
    for batch in drawn:
        assert 1 <= len(batch) <= batch_size
        assert batch.features.shape == (len(batch), 4, 2) and batch.features.dtype == torch.float16
        clips = NUM_CLIPS - 1 - batch.positions
        assert (batch.features[:, :, 0] == clips[:, None]).all()
        assert (batch.labels["verb"] == batch.positions % 4).all()
        assert (batch.labels["noun"] == batch.positions % 3).all()
        assert batch.labels["verb"].dtype == torch.int64


def test_without_shuffling_clips_come_in_order_in_view_0(store: FeatureStore) -> None:
    found = batches(store)
    assert positions(found) == list(range(NUM_CLIPS))
    for batch in found:
        torch.testing.assert_close(
            batch.features[:, :, 1], torch.tensor([0, 0.1, 0.2, 0.3]).half().expand(len(batch), 4)
        )


def views(found: ClipBatches) -> list[int]:
    return [int(v) for batch in found for v in batch.features[:, 0, 1]]


def test_the_order_and_the_views_depend_on_seed_and_epoch_alone(store: FeatureStore) -> None:
    epoch = [0]
    one, same, other = (batches(store, shuffle=True, seed=seed, epoch=lambda: epoch[0]) for seed in (7, 7, 8))
    orders, seen = [], []
    for epoch[0] in range(4):
        torch.manual_seed(epoch[0])
        np.random.seed(epoch[0])
        assert positions(one) == positions(one) == positions(same) != positions(other)
        assert views(one) == views(same) != views(other)
        orders.append(positions(one))
        seen.append(dict(zip(orders[-1], views(one), strict=True)))
    assert len({tuple(order) for order in orders}) == 4
    assert set(views(one)) == set(range(VIEWS))
    changing = sum(len({views_of[clip] for views_of in seen}) > 1 for clip in range(NUM_CLIPS))
    assert changing > NUM_CLIPS / 2


def test_the_order_comes_from_no_global_randomness(store: FeatureStore) -> None:
    before = np.random.get_state()[1].copy()
    positions(batches(store, shuffle=True))
    assert (np.random.get_state()[1] == before).all()


@given(
    num=st.integers(1, NUM_CLIPS),
    world_size=st.integers(1, 5),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
)
def test_processes_share_the_clips(
    store: FeatureStore, num: int, world_size: int, batch_size: int, epoch: int, shuffle: bool
) -> None:
    assume(not shuffle or num >= world_size)
    ranks = [
        batches(
            store, num=num, shuffle=shuffle, batch_size=batch_size, rank=r, world_size=world_size, epoch=lambda: epoch
        )
        for r in range(world_size)
    ]
    drawn = [positions(rank) for rank in ranks]
    assert [len(list(rank)) for rank in ranks] == [len(rank) for rank in ranks]
    together = [clip for rank in drawn for clip in rank]
    assert len(set(together)) == len(together), "a clip is given to two processes"
    if not shuffle:
        assert sorted(together) == list(range(num))
    else:  # every process makes equally many steps, so a remainder waits for another epoch
        assert {len(rank) for rank in drawn} == {num // world_size}


def test_what_a_remainder_leaves_out_changes_from_epoch_to_epoch(store: FeatureStore) -> None:
    epoch = [0]
    ranks = [batches(store, shuffle=True, rank=r, world_size=4, epoch=lambda: epoch[0]) for r in range(4)]
    seen: set[int] = set()
    for epoch[0] in range(4):
        seen |= {clip for rank in ranks for clip in positions(rank)}
    assert seen == set(range(NUM_CLIPS))


def test_weights_are_the_odds_of_being_drawn(store: FeatureStore) -> None:
    weights = np.full(NUM_CLIPS, 1.0)
    weights[4], weights[9] = 0.0, 20.0
    epoch = [0]
    found = batches(store, shuffle=True, weights=weights, epoch=lambda: epoch[0])
    drawn: Counter[int] = Counter()
    for epoch[0] in range(200):
        assert len(positions(found)) == NUM_CLIPS
        drawn.update(positions(found))
    total = 200 * NUM_CLIPS
    assert drawn[4] == 0
    assert drawn[9] / total == pytest.approx(20 / weights.sum(), abs=0.03)
    assert drawn[0] / total == pytest.approx(1 / weights.sum(), abs=0.01)


def test_weights_do_not_matter_when_not_shuffled(store: FeatureStore) -> None:
    assert positions(batches(store, weights=np.eye(NUM_CLIPS)[0])) == list(range(NUM_CLIPS))


@pytest.mark.parametrize(
    ("num", "labels", "options", "told"),
    [
        (0, 0, {}, "there are no clips"),
        (3, 2, {}, r"3 clips, but labels of \[2\]"),
    ],
)
def test_impossible_clips_are_refused(
    store: FeatureStore, num: int, labels: int, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        ClipBatches(
            store, store.locate(SEGMENTS[:num], SAMPLING), {"verb": np.zeros(labels, np.int64)}, batch_size=2, **options
        )


def test_a_batch_moves_as_one() -> None:
    batch = Batch(torch.zeros(2, 3, 4), {"verb": torch.zeros(2).long()}, torch.arange(2))
    moved = batch.to(torch.device("meta"))
    assert moved.features.is_meta and moved.labels["verb"].is_meta
    assert not moved.positions.is_meta, "positions are read on the CPU"
    assert len(moved) == 2 and set(moved.labels) == {"verb"}


def test_one_batch_is_read_ahead_and_no_more(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    gather = FeatureStore.gather
    monkeypatch.setattr(
        FeatureStore, "gather", lambda self, rows, **o: (read.append(len(rows)), gather(self, rows, **o))[1]
    )
    for _ in batches(store):
        break
    assert len(read) <= 2
    read.clear()
    assert len(list(batches(store))) == len(read) == 5


def test_what_is_wrong_with_a_batch_is_told_in_its_turn(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(self: FeatureStore, rows: np.ndarray, **options: object) -> np.ndarray:
        if store.locate(SEGMENTS[12:13], SAMPLING)[0, 0, 0] in rows:
            raise ArtifactError("this shard is damaged", path=self.path)
        return np.zeros((len(rows), 4, 2), dtype=np.float16)

    monkeypatch.setattr(FeatureStore, "gather", gather)
    found = iter(batches(store))
    assert [len(next(found)) for _ in range(2)] == [5, 5]
    with pytest.raises(ArtifactError, match="damaged"):
        next(found)

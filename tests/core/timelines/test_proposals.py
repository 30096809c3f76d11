import numpy as np

from egoact.core.timelines.proposals import Proposals, pair_targets, proposals_of_scores, suppress


def test_stretches_of_several_thresholds() -> None:
    shares = np.zeros((10, 3))
    shares[2:8, 0], shares[4:6, 0] = 0.3, 0.9
    found = proposals_of_scores(shares)
    assert set(map(tuple, found.spans.tolist())) == {(2, 8), (4, 6)}
    assert found.scores[found.spans[:, 0] == 2][0] == np.mean([0.3, 0.3, 0.9, 0.9, 0.3, 0.3])
    assert not len(proposals_of_scores(np.zeros((4, 3))))


def test_a_verb_gets_the_nouns_of_its_time_and_a_noun_its_verbs() -> None:
    verb = Proposals(np.array([[0.0, 4.0]]), np.array([1]), np.array([0.8]))
    noun = Proposals(np.array([[4.0, 8.0]]), np.array([2]), np.array([0.5]))
    shares = {"verb": np.tile([0.1, 0.3, 0.6], (8, 1)), "noun": np.tile([0.0, 0.0, 0.4, 0.6], (8, 1))}
    shares["noun"][:4] = [0.3, 0.1, 0.0, 0.6]
    found = pair_targets({"verb": verb, "noun": noun}, shares)
    best = {tuple(c): s for c, s in zip(found.classes.tolist(), found.scores.tolist(), strict=True) if s > 0}
    assert best.keys() == {(1, 0), (1, 1), (0, 2), (1, 2)}
    np.testing.assert_allclose([best[1, 0], best[1, 1], best[1, 2], best[0, 2]], [0.6, 0.2, 0.375, 0.125])


def test_soft_nms_within_a_class() -> None:
    spans = np.array([[0.0, 10.0], [0.0, 5.0], [0.0, 10.0], [20.0, 30.0]])
    found = suppress(Proposals(spans, np.array([[0], [0], [1], [0]]), np.array([0.9, 0.8, 0.7, 0.6])))
    kept = {(tuple(c), tuple(s)): v for c, s, v in zip(found.classes, found.spans, found.scores, strict=True)}
    np.testing.assert_allclose(kept[(0,), (0, 5)], 0.8 * np.exp(-(0.5**2) / 0.5))
    assert kept[(1,), (0, 10)] == 0.7 and kept[(0,), (20, 30)] == 0.6 and kept[(0,), (0, 10)] == 0.9
    nothing = Proposals(np.empty((0, 2)), np.empty((0, 1), dtype=np.int64), np.empty(0))
    assert not len(suppress(nothing))

import numpy as np
import pytest
import torch

from egoact.models.segmenters import NETWORKS, SEGMENTERS, DenseModel, LinearDesign, LinearSegmenter, build_model
from egoact.models.segmenters.asformer import attend
from egoact.models.segmenters.linear import window_mean
from egoact.models.segmenters.model import NarrowInput

SIZES = [4, 3]
CHANNELS = [20, 5]


def features(num_steps: int) -> np.ndarray:
    return np.random.default_rng(num_steps).normal(size=(num_steps, sum(CHANNELS))).astype(np.float16)


def made(name: str, **options: object) -> DenseModel | LinearSegmenter:
    torch.manual_seed(0)
    model = build_model(
        name, num_channels=CHANNELS, sizes=SIZES, rate=4, components=6, members=2, options=dict(options)
    )
    known = features(400)
    if isinstance(model, LinearSegmenter):
        labels = np.stack([np.random.default_rng(1).integers(0, size, 400) for size in SIZES])
        return LinearDesign(model, [known], [labels]).fit([0])
    model.narrow.fit(torch.from_numpy(known.astype(np.float32)))
    return model.eval()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_each_target_gets_probabilities(name: str) -> None:
    said = np.exp(made(name).score(features(90)))
    assert said.shape == (90, sum(SIZES))
    for part in np.split(said, np.cumsum(SIZES)[:-1], axis=1):
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize(("chunk_steps", "num_steps"), [(37, 300), (600, 1300)])
def test_a_recording_in_chunks_is_answered_as_in_one_piece(name: str, chunk_steps: int, num_steps: int) -> None:
    model, recording = made(name), features(num_steps)
    whole = model.score(recording, chunk_steps=10_000)
    np.testing.assert_allclose(model.score(recording, chunk_steps=chunk_steps), whole, atol=1e-4)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_reach_is_what_it_says_and_no_wider_than_need_be(name: str) -> None:
    model = made(name)
    if model.reach is None:
        return
    before, after = model.reach
    middle, length = 900, 1800
    recording = features(length)
    changed = recording.copy()
    changed[middle] += 5
    differs = np.flatnonzero(np.abs(model.score(recording) - model.score(changed)).max(1) > 0)
    assert middle - after <= differs.min() <= middle
    assert middle <= differs.max() <= middle + before


@pytest.mark.parametrize("name", ["causal", "causal_tcn"])
def test_step_by_step_as_all_at_once(name: str) -> None:
    model, recording = made(name), features(260)
    state, answers = model.initial_state(1), []
    with torch.inference_mode():
        for row in recording.astype(np.float32):
            said, state = model.step(torch.from_numpy(row[None]), state)
            answers.append(said[0].numpy())
    np.testing.assert_allclose(np.stack(answers), model.score(recording), atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "mstcn", "asformer", "gru"])
def test_segmenters_that_see_the_future_do_not_step(name: str) -> None:
    with pytest.raises(ValueError, match="looks into the future"):
        made(name).initial_state(1)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_of_a_batch_changes_nothing(name: str) -> None:
    model = made(name)
    assert isinstance(model, DenseModel)
    member = model.segmenters[0]
    x, mask = torch.randn(2, model.narrow.num_features, 90), torch.ones(2, 1, 90)
    mask[1, :, 60:] = 0
    with torch.inference_mode():
        together = member(x, mask)[-1][1, :, :60]
        alone = member(x[1:, :, :60], torch.ones(1, 1, 60))[-1][0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_attention_is_that_of_a_band() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 23, 5)
    mask = torch.ones(2, 23)
    mask[0, 15:] = 0
    window = 4
    far = (torch.arange(23)[:, None] - torch.arange(23)[None]).abs() > window
    scores = (query @ key.transpose(1, 2) / 5**0.5).masked_fill(far | (mask[:, None] == 0), -1e4)
    expected = scores.softmax(-1) @ value
    found = attend(query, key, value, mask, window=window)
    torch.testing.assert_close(found[0, :15], expected[0, :15])
    torch.testing.assert_close(found[1], expected[1])


def test_window_means_are_those_of_numpy() -> None:
    x = torch.randn(3, 30)
    for before, after in [(0, 0), (2, 5), (40, 1)]:
        expected = [x[:, max(i - before, 0) : i + after + 1].mean(1) for i in range(30)]
        torch.testing.assert_close(window_mean(x, before, after), torch.stack(expected, 1))


def test_the_linear_segmenter_is_ridge_regression() -> None:
    """Against the normal equations of all windows, solved by numpy."""
    model = build_model("linear", num_channels=CHANNELS, sizes=[3], rate=4, components=1, members=1, options={})
    assert isinstance(model, LinearSegmenter)
    recording, labels = features(200), np.random.default_rng(2).integers(0, 3, (1, 200))
    fitted = LinearDesign(model, [recording], [labels]).fit([0])
    x = torch.from_numpy(recording.astype(np.float32))
    shown = [window.T.numpy().astype(np.float64) for window in fitted.windows_of(x)]
    roots = np.sqrt(np.repeat(CHANNELS, CHANNELS))
    design = np.concatenate([(w - w.mean(0)) / w.std(0) / roots for w in shown], 1)
    wanted = np.eye(3)[labels[0]]
    weights = np.linalg.solve(design.T @ design + 10 * np.eye(design.shape[1]), design.T @ (wanted - wanted.mean(0)))
    said = 8 * (design @ weights + wanted.mean(0))
    expected = said - np.log(np.exp(said).sum(1, keepdims=True))
    np.testing.assert_allclose(fitted.score(recording), expected, atol=5e-3)  # windows are kept in float16


def test_what_is_unknown_teaches_nothing() -> None:
    model = build_model("linear", num_channels=CHANNELS, sizes=SIZES, rate=4, components=1, members=1, options={})
    assert isinstance(model, LinearSegmenter)
    first, second = features(150), features(151)
    labels = np.random.default_rng(3).integers(0, 3, (2, 150))
    unknown = np.full((2, 151), -1)
    alone = LinearDesign(model, [first], [labels]).fit([0])
    both = LinearDesign(model, [first, second], [labels, unknown]).fit([0, 1])
    np.testing.assert_allclose(both.score(first), alone.score(first), atol=1e-4)


def test_a_training_on_some_recordings_knows_nothing_of_the_labels_of_others() -> None:
    model = build_model("linear", num_channels=CHANNELS, sizes=[3], rate=4, components=1, members=1, options={})
    assert isinstance(model, LinearSegmenter)
    recordings = [features(150), features(151)]
    labels = [np.random.default_rng(i).integers(0, 3, (1, len(r))) for i, r in enumerate(recordings)]
    other = [labels[0], (labels[1] + 1) % 3]
    found = [LinearDesign(model, recordings, each).fit([0]).score(recordings[1]) for each in (labels, other)]
    np.testing.assert_array_equal(*found)


def test_principal_components_are_scaled_together() -> None:
    narrow = NarrowInput([12, 3], [4, 8])
    assert narrow.num_features == 7
    x = torch.randn(500, 15) * torch.linspace(1, 9, 15) + 3
    x[:, 14] = 2.0  # a channel that never changes
    narrow.fit(x)
    found = narrow(x)
    torch.testing.assert_close(found.mean(0), torch.zeros(7), atol=1e-3, rtol=0)
    assert abs(float(found[:, :4].square().mean()) - 1) < 0.02
    correlation = np.corrcoef(found[:, :4].T.numpy())
    np.testing.assert_allclose(correlation, np.eye(4), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("nothing", {}, "unknown segmenter 'nothing'"),
        ("mstcn", {"width": 0}, "width must be a whole number"),
        ("mstcn", {"dropout": 1.0}, "dropout must be below 1"),
        ("mstcn", {"num_features": 3}, "no option 'num_features'"),
        ("linear", {"penalty": -1.0}, "penalty must be a number"),
        ("linear", {"is_causal": True}, "no option 'is_causal'"),
    ],
)
def test_what_cannot_be_built_is_said(name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build_model(name, num_channels=CHANNELS, sizes=SIZES, rate=4, components=6, members=1, options=options)


def test_a_recording_of_many_channels_is_scored_in_pieces_as_the_whole_would_be() -> None:
    generator = torch.Generator().manual_seed(0)
    model = LinearSegmenter([700, 500], [4, 3], rate=4)
    for buffer in (model.center, model.weight, model.bias):
        buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.02)
    features = torch.randn(150, 1200, generator=generator)
    whole = model(features).numpy()
    np.testing.assert_allclose(model.score(features.numpy(), chunk_steps=64), whole, rtol=0, atol=1e-4)
    assert np.ptp(whole) > 1  # it does say something


@pytest.mark.parametrize("name", ["linear", "causal"])
@pytest.mark.parametrize("num_steps", [1, 3, 90])
def test_a_linear_segmenter_says_in_numpy_what_it_says_in_torch(name: str, num_steps: int) -> None:
    model = made(name)
    assert isinstance(model, LinearSegmenter)
    recording = features(num_steps)
    with torch.inference_mode():
        there = model(torch.from_numpy(recording.astype(np.float32))).exp().numpy()
    # Rounding, of squares whose difference is about 0 in windows of one step; of real recordings it is below 1e-6.
    np.testing.assert_allclose(np.exp(model.score(recording)), there, rtol=0, atol=2e-5)

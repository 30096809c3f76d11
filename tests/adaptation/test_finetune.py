"""Fine-tuning begins where a run is, learns what frozen features cannot say, and ends as a run like any other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from egoact.adaptation import clip_frames, finetuning
from egoact.adaptation.clip_frames import load_clip_frames
from egoact.adaptation.clip_inputs import keep_maps
from egoact.adaptation.finetuned_run import mirror_classes
from egoact.adaptation.finetuning import FinetuneRecipe, LabelledClips, TrainedPart
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.finetune import FinetuneSettings, finetune
from egoact.core.annotations.labels import Vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.media.sources import MediaRoot, read_clip
from egoact.models.backbones.own_files import FILE_NAME
from egoact.models.backbones.registry import load_backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.data.recordings import write_labels, write_recording
from tests.training.test_processes import run_in_two

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE, NUM_FRAMES = 32, 4
TORCH = EngineChoice(engine="torch", precision="f32")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, their labels, and a run that has learned nothing."""
    folder = tmp_path_factory.mktemp("world")
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2)}
    write_labels(folder / "labels.csv", videos)
    config = RecognizerConfig(
        head="average",
        vocabularies={"verb": Vocabulary("verb", ("close", "open"))},
        backbone=load_backbone("tiny-random", size=SIZE).spec,
        num_frames=NUM_FRAMES,
        dropout=0.0,
    )
    torch.manual_seed(0)
    model = config.build()
    for parameter in model.classifiers.parameters():
        nn.init.normal_(parameter, std=0.3)
    Recognizer(config, model).save(folder / "run")
    return folder


def settings(world: Path, out: Path, **options: Any) -> FinetuneSettings:
    small: dict[str, Any] = {"blocks": 2, "epochs": 3, "learning_rate": 0.1}
    labels, media = (world / "labels.csv",), (world / "videos",)
    return FinetuneSettings(run=world / "run", segments=labels, media=media, out=out, **(small | options))


def answers(world: Path, run: Path, features: Path) -> np.ndarray:
    """Logits of the run on features that its own backbone makes."""
    own = run / FILE_NAME
    asked = ExtractSettings(
        segments=(world / "labels.csv",),
        media=(world / "videos",),
        features=features,
        backbone="tiny-random",
        weights=own if own.exists() else None,
        size=SIZE,
        exact=True,
        num_frames=NUM_FRAMES,
        engine="torch",
        precision="f32",
    )
    assert extract(asked) == 0
    scores = load_run(run, TORCH).score(read_segments(world / "labels.csv"), features).verb
    assert scores is not None
    return scores


def loss_of(world: Path, scores: np.ndarray) -> float:
    labels = Vocabulary("verb", ("close", "open")).encode(read_segments(world / "labels.csv"))
    return float(nn.functional.cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels)))


def test_it_begins_with_what_the_run_says(world: Path, tmp_path: Path) -> None:
    """A learning rate of next to nothing: the new run answers as the old one, by another way through the pixels."""
    assert finetune(settings(world, tmp_path / "out", learning_rate=1e-12, weight_decay=0.0)) == 0
    before = answers(world, world / "run", tmp_path / "a")
    after = answers(world, tmp_path / "out", tmp_path / "b")
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_it_learns_and_the_run_carries_what_it_learned(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert finetune(settings(world, out)) == 0
    kept, published = load_file(out / FILE_NAME), load_backbone("tiny-random", size=SIZE).module.state_dict()
    changed = {name.split(".")[0] for name, value in kept.items() if not torch.equal(value, published[name])}
    assert changed == {"2", "3"}, "the last two blocks and no other"
    assert {path.name for path in out.iterdir()} == {
        "backbone.safetensors", "model.safetensors", "config.json", "trained_on.json", ".lock",
    }  # fmt: skip
    before = loss_of(world, answers(world, world / "run", tmp_path / "a"))
    after = loss_of(world, answers(world, out, tmp_path / "b"))
    assert after < 0.5 * before
    provenance = Provenance.read(out)
    assert provenance is not None and set(provenance.training) == {"kitchen_1", "kitchen_2"}
    frames = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    assert load_run(out, TORCH).engine.run(frames)[0].shape == (1, 32)


def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finetune(settings(world, tmp_path / "whole", augment="flip")) == 0
    save = finetuning._save
    with monkeypatch.context() as patch:

        def save_and_die(path: Path, state: Any, facts: str, epoch: int) -> None:
            save(path, state, facts, epoch)
            if epoch == 2:
                raise KeyboardInterrupt

        patch.setattr(finetuning, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            finetune(settings(world, tmp_path / "broken", augment="flip"))
    with pytest.raises(ArtifactError, match="of another training .with other settings"):
        finetune(settings(world, tmp_path / "broken", augment="flip", seed=1))
    assert finetune(settings(world, tmp_path / "broken", augment="flip")) == 0
    for name in (FILE_NAME, "model.safetensors"):
        whole, broken = (load_file(tmp_path / run / name) for run in ("whole", "broken"))
        assert all(torch.equal(value, broken[key]) for key, value in whole.items())


def test_random_crops_and_colours_are_learned_from_too(world: Path, tmp_path: Path) -> None:
    assert finetune(settings(world, tmp_path / "out", augment="full", views=2, epochs=1)) == 0
    assert (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [({"blocks": 5}, "--blocks 5: 1 to 4 of the 4 blocks"), ({"blocks": 0}, "--blocks 0: 1 to 4")],
)
def test_blocks_that_are_not_there_are_refused(options: Any, told: str, world: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        finetune(settings(world, tmp_path / "out", **options))


def test_a_folder_that_holds_something_is_left_alone(world: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ArtifactError, match=r"holds something already \(notes.txt\)"):
        finetune(settings(world, tmp_path))


# Parts.


def test_frames_of_clips_are_those_of_the_recording(world: Path, tmp_path: Path) -> None:
    segments = list(read_segments(world / "labels.csv"))
    sampling = ClipSampling(NUM_FRAMES, 2)
    root, spec = MediaRoot(world / "videos"), load_backbone("tiny-random", size=SIZE).spec
    found = load_clip_frames(root, tmp_path, segments, sampling, spec=spec)
    assert found.rows.shape == (len(segments), 2, NUM_FRAMES) and found.is_whole.all()
    for number in (0, 3, len(segments) - 1):
        times = sampling.times([segments[number]])[0, 1]
        expected = read_clip(root.find(segments[number].video_id), times, size=(SIZE, SIZE))
        np.testing.assert_array_equal(found.frames[found.rows[number, 1]], expected)
    written = (tmp_path / "frames.npy").stat().st_mtime_ns
    load_clip_frames(root, tmp_path, segments, sampling, spec=spec)
    assert (tmp_path / "frames.npy").stat().st_mtime_ns == written, "decoded once"


def test_a_killed_decoding_goes_on_after_the_last_whole_recording(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments, sampling = list(read_segments(world / "labels.csv")), ClipSampling(NUM_FRAMES)
    root, spec = MediaRoot(world / "videos"), load_backbone("tiny-random", size=SIZE).spec
    whole = load_clip_frames(root, tmp_path / "whole", segments, sampling, spec=spec)
    decode, decoded, kills = clip_frames.decode, [], ["in the second recording"]

    def decode_and_die(jobs: Any, **options: Any) -> Any:
        for number, event in enumerate(decode(jobs, **options)):
            if kills and decoded and number:
                raise KeyboardInterrupt(kills.pop())
            yield event
        decoded.append(jobs)

    monkeypatch.setattr(clip_frames, "decode", decode_and_die)
    with pytest.raises(KeyboardInterrupt):
        load_clip_frames(root, tmp_path / "broken", segments, sampling, spec=spec)
    broken = load_clip_frames(root, tmp_path / "broken", segments, sampling, spec=spec)
    assert len(decoded) == 2, "each recording once"
    np.testing.assert_array_equal(broken.rows, whole.rows)
    np.testing.assert_array_equal(broken.frames, whole.frames)


def test_a_mirror_exchanges_left_and_right_where_both_are_known() -> None:
    names = ["cut", "turn left", "Turn Right", "leftover", "left-hand knob", "right"]
    assert mirror_classes(names).tolist() == [0, 2, 1, 3, -1, -1]


def small_part() -> tuple[TrainedPart, Any]:
    torch.manual_seed(0)
    module = load_backbone("tiny-random", size=SIZE).module
    layers = list(module.children())
    classifier = ActionClassifier(build_head("average", feature_shape=(32,), num_frames=2), num_classes={"verb": 3})
    return TrainedPart(layers[2:4], nn.Sequential(*layers[4:]), classifier), layers


def test_mirrored_maps_are_of_mirrored_frames(tmp_path: Path) -> None:
    _, layers = small_part()
    frames = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    spec = load_backbone("tiny-random", size=SIZE).spec
    kept = keep_maps(frames, layers[:2], spec, tmp_path, is_mirrored=True)
    (tmp_path / "other").mkdir()
    turned = keep_maps(frames[:, :, ::-1].copy(), layers[:2], spec, tmp_path / "other", is_mirrored=False)
    rows = np.array([[0, 1], [2, 2]])
    expected = turned.get(rows, np.zeros(2, bool))
    torch.testing.assert_close(kept.get(rows, np.ones(2, bool)), expected)
    both = kept.get(rows, np.array([False, True]))
    torch.testing.assert_close(both[2:], expected[2:])
    assert not torch.allclose(both[:2], expected[:2])


class Maps:
    """Made maps, and which clips were asked for mirrored."""

    def __init__(self) -> None:
        self.maps = torch.randn(8, 2, 16, 8, 8, generator=torch.Generator().manual_seed(0))

    def get(self, rows: np.ndarray, mirrored: np.ndarray) -> torch.Tensor:
        return torch.cat([self.maps[own[0]] for own in rows])


def test_gradients_of_a_few_clips_at_a_time_are_those_of_all(tmp_path: Path) -> None:
    clips = LabelledClips(
        np.arange(8)[:, None, None].repeat(2, 2), {"verb": np.arange(8) % 3}, {"verb": np.arange(8) % 3}
    )
    losses = {"verb": nn.CrossEntropyLoss()}
    weights = []
    for at_once in (8, 3):
        part, _ = small_part()
        part.classifier.dropout.p = 0.0
        recipe = FinetuneRecipe(epochs=2, batch_size=8, clips_at_once=at_once, learning_rate=0.01)
        (tmp_path / str(at_once)).mkdir()
        finetuning.finetune(part, losses, clips, Maps(), recipe, is_mirrored=False, folder=tmp_path / str(at_once))
        weights.append(part.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5)


def test_later_blocks_learn_faster_and_steps_are_as_large_as_what_they_change(tmp_path: Path) -> None:
    part, _ = small_part()
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.fill_(0.5)
        part.blocks[0][0].bias.zero_()  # type: ignore[index, union-attr]
    recipe = replace(FinetuneRecipe(), learning_rate=1.0, decay=0.5)
    rates = {id(group["params"][0]): group["lr"] for group in finetuning._groups(part, recipe)}
    earlier, later = (block[0] for block in part.blocks)  # type: ignore[index]
    assert rates[id(part.classifier.classifiers["verb"].weight)] == 0.5
    assert (rates[id(later.weight)], rates[id(earlier.weight)]) == (0.25, 0.125)
    assert 0 < rates[id(earlier.bias)] < 0.001


@pytest.mark.slow
def test_two_processes_equal_one_with_the_doubled_batch(world: Path, tmp_path: Path) -> None:
    """With an odd number of clips the last step leaves one process without any."""
    lines = (world / "labels.csv").read_text().splitlines()
    odd = tmp_path / "odd.csv"
    odd.write_text("\n".join(lines[: len(lines) - len(lines) % 2]))  # a line is the head
    flags = {"run": world / "run", "segments": odd, "media": world / "videos", "out": tmp_path / "two"}
    small = {"blocks": 2, "epochs": 2, "learning-rate": 0.1, "augment": "flip", "devices": 2, "batch-size": 1}
    words = [word for name, value in (flags | small).items() for word in (f"--{name}", str(value))]
    printed = run_in_two(["finetune", *words], tmp_path, rank="LOCAL_RANK")
    assert printed.count("finetune:") == 1 and printed.count("frames,") == 1, "only one process speaks"
    alone = settings(world, tmp_path / "one", epochs=2, augment="flip", batch_size=2)
    assert finetune(replace(alone, segments=(odd,))) == 0
    for name in (FILE_NAME, "model.safetensors"):
        two, one = (load_file(tmp_path / run / name) for run in ("two", "one"))
        assert all(torch.allclose(value, one[key], rtol=1e-3, atol=1e-5) for key, value in two.items())
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}

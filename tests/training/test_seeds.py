"""`egoact train --seeds`: runs that are trained side by side are what each would be alone; the parts of that loop."""

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.store.reader import FeatureStore
from egoact.training.adamw import AdamW
from egoact.training.loops import clips as clips_module
from egoact.training.loops.clips import Clips
from egoact.training.loops.loop import Loop
from egoact.training.loops.stack import Stack, clip_norms
from egoact.training.sharing import divide, share_out
from tests.makers.checks import assert_same_run
from tests.makers.data.features import write_csv, write_store

pytestmark = pytest.mark.usefixtures("one_thread", "forked_workers")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 1)  # all of it in this process
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv"))
    return tmp_path


def settings_for(data: Path, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "segments": (data / "train.csv",),
        "features": (data / "features",),
        "run": data / "run",
        "validation_videos": ("B_1",),
        "epochs": 6,
        "device": "cpu",
    }
    return TrainSettings(**(values | changes))  # type: ignore[arg-type]


CASES = {
    "recurrent, with all that draws": {"head": "lstm", "ema": 0.9, "mixup": 0.2},
    "embedded once": {"head": "difference"},
    "dropout in the head": {"head": "tcn", "epochs": 3},
    "long tail": {"head": "gru", "class_balanced_sampling": True, "retrain_epochs": 3},
    "early stopping": {"head": "lstm", "recipe": "report", "patience": 2, "epochs": 40},
}


@pytest.mark.parametrize("case", CASES)
def test_each_is_what_it_would_be_alone(data: Path, case: str) -> None:
    train(settings_for(data, seed=3, seeds=3, **CASES[case]))
    lengths = set()
    for seed in (3, 4, 5):
        run, alone = data / "run" / f"seed_{seed}", data / "alone" / str(seed)
        train(settings_for(data, seed=seed, run=alone, **CASES[case]))
        assert json.loads((run / "metrics.json").read_text()) == json.loads((alone / "metrics.json").read_text())
        lengths.add(len((run / "history.csv").read_text().splitlines()))
        for name in ("best", "last"):
            ours, theirs = (load_file(each / name / "model.safetensors") for each in (run, alone))
            assert ours.keys() == theirs.keys()
            for key, values in ours.items():
                torch.testing.assert_close(values, theirs[key], rtol=1e-4, atol=1e-5, msg=key)
    assert case != "early stopping" or len(lengths) > 1, "all stopped together: proves nothing"


def test_their_mean_and_spread_are_written(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(settings_for(data, seeds=2, head="lstm"))
    found = json.loads((data / "run" / "seeds.json").read_text())
    top1 = [json.loads((data / "run" / f"seed_{s}" / "metrics.json").read_text())["verb"]["top1"] for s in (0, 1)]
    assert settings_for(data, seeds=2).first_run == data / "run" / "seed_0", "what is proposed next is no run"
    assert found["seeds"] == [0, 1] and found["num_segments"] == 12
    assert found["summary"]["verb"]["top1"]["mean"] == pytest.approx(np.mean(top1))
    assert found["summary"]["verb"]["top1"]["sd"] == pytest.approx(np.std(top1, ddof=1))
    assert "over 2 seeds" in capsys.readouterr().out
    (data / "run" / "seeds.json").unlink()  # as if it had been killed between the last run and this file
    train(settings_for(data, seeds=2, head="lstm"))
    assert "already trained" in capsys.readouterr().out
    assert json.loads((data / "run" / "seeds.json").read_text()) == found
    train(settings_for(data, seed=1, run=data / "run" / "seed_1", head="lstm"))
    assert "already trained" in capsys.readouterr().out, "it is a run as any other"


def test_cores_share_them_out(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 2)
    train(settings_for(data, seeds=3, head="lstm"))
    told = [line.split("; ")[-1] for line in capsys.readouterr().out.splitlines() if line.startswith("trained")]
    assert [Path(run).name for run in told] == ["seed_0", "seed_1", "seed_2"], "the other process prints last"
    for seed in (0, 1, 2):  # of which the second was begun by one process, and ended by the other
        train(settings_for(data, seed=seed, run=data / "alone" / str(seed), head="lstm"))
        assert_same_run(data / "alone" / str(seed), data / "run" / f"seed_{seed}")


@pytest.mark.parametrize(("num_runs", "num_shares"), [(5, 2), (6, 2), (2, 2), (5, 4), (7, 3)])
def test_shares_are_equal_and_end_what_others_began(num_runs: int, num_shares: int) -> None:
    shares = divide(list(range(num_runs)), num_shares)
    begun = [share.begun or (None, 0.0) for share in shares]
    ended = [0.0 if share.ended is None else 1 - begun[i + 1][1] for i, share in enumerate(shares)]
    for i, share in enumerate(shares):
        assert len(share.whole) + begun[i][1] + ended[i] == pytest.approx(num_runs / num_shares)
        assert share.ended is None or share.ended == begun[i + 1][0]
    assert sorted(run for share in shares for run in (*share.whole, share.ended) if run is not None) == list(
        range(num_runs)
    )


def fail_elsewhere(share: Sequence[int], *, until: float) -> None:
    if multiprocessing.parent_process() is not None:
        raise ArtifactError(f"the loss became inf in {share}", path=Path("run"), place="epoch 3")


def test_a_process_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 2)
    with pytest.raises(ArtifactError) as caught:
        share_out(fail_elsewhere, [0, 1, 2], device="cpu")
    assert str(caught.value) == "run, epoch 3: the loss became inf in [1]"


def test_a_stopped_training_of_several_goes_on_exactly(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"head": "lstm", "seeds": 2, "recipe": "report", "patience": 2, "epochs": 30, "ema": 0.9}
    train(settings_for(data, run=data / "whole", **changes))
    original = Loop._run_epoch

    def stop(self: Loop, writers: object) -> None:
        if self._epoch == 4:
            raise KeyboardInterrupt
        original(self, writers)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_run_epoch", stop)
        patch.setattr("egoact.training.loops.loop._SAVING_SHARE", 0)
        with pytest.raises(KeyboardInterrupt):
            train(settings_for(data, **changes))
    epochs: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_run_epoch", lambda self, w: (epochs.append(self._epoch), original(self, w)))
        train(settings_for(data, **changes))
    assert epochs[0] == 4, "it began anew"
    for seed in ("seed_0", "seed_1"):
        assert_same_run(data / "whole" / seed, data / "run" / seed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"seeds": 2, "folds": 2, "validation_videos": ()}, "without --folds"),
        ({"seeds": 2, "devices": 2}, "without --folds, --devices and --nodes"),
        ({"seeds": 2, "recipe": "ridge", "epochs": None}, "the same for every seed"),
    ],
)
def test_what_does_not_go_together(data: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings_for(data, **change)


def test_a_run_is_no_folder_for_several(data: Path) -> None:
    train(settings_for(data, epochs=1))
    with pytest.raises(ArtifactError, match="this folder is a run"):
        train(settings_for(data, epochs=1, seeds=2))


def test_several_seeds_ask_for_a_recipe_that_draws(data: Path) -> None:
    train(settings_for(data, seeds=2, epochs=None, head="difference"))
    recipe = json.loads((data / "run" / "seed_0" / "settings.json").read_text())["recipe"]
    assert recipe["solver"] == "adamw"


# The parts of the loop.


@pytest.mark.parametrize("is_fused", [True, False])
def test_the_optimiser_is_adamw(is_fused: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(3, 4, generator=generator), torch.randn(5, generator=generator)]
    theirs = [each.clone().requires_grad_() for each in ours]
    own = AdamW(ours[:1], ours[1:], weight_decay=0.3, is_fused=is_fused)
    groups = [{"params": theirs[:1], "weight_decay": 0.3}, {"params": theirs[1:], "weight_decay": 0.0}]
    other = torch.optim.AdamW(groups, fused=is_fused)
    for step in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        other.param_groups[0]["lr"] = other.param_groups[1]["lr"] = rate = 0.1 / (step + 1)
        own.step(rate)
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b.detach())


def test_gradients_of_each_model_are_clipped_by_themselves() -> None:
    models = [torch.nn.Linear(3, 2) for _ in range(3)]
    stack = Stack(models)
    stack.begin_gradients()
    for number, model in enumerate(models):
        (model(torch.ones(4, 3)) * 10.0 ** (number - 2)).sum().backward()
    alone = [[p.grad.clone() for p in model.parameters()] for model in models]  # type: ignore[union-attr]
    clip_norms(stack.trained, 1.0)
    for model, gradients in zip(models, alone, strict=True):
        parameters = [torch.nn.Parameter(torch.zeros_like(each)) for each in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for parameter, ours in zip(parameters, model.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, parameter.grad)
    assert not torch.allclose(alone[0][0], alone[2][0]), "proves nothing"


def test_clips_that_are_held_are_those_that_are_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, table = FeatureStore.open(data / "features"), read_segments(data / "train.csv")
    rows = store.locate(table, ClipSampling(20, 1))
    labels, device = {"verb": np.arange(len(table))}, torch.device("cpu")
    parts = [(np.array([3, 0, 7]), np.zeros(3, np.int64)), (np.array([1, 1]), np.zeros(2, np.int64))]
    held = list(Clips(store, rows, labels, device=device).read(parts))
    embedded = Clips(store, rows, labels, device=device, embed=lambda features: features.mean(1))
    monkeypatch.setattr(clips_module, "_HELD_BYTES", 10)
    far = Clips(store, rows, labels, device=device, embed=lambda features: features.mean(1))
    assert embedded.is_embedded and not far.is_embedded
    for (positions, _), one, other, mean in zip(parts, held, far.read(parts), embedded.read(parts), strict=True):
        assert torch.equal(one[0], other[0]) and one[0].dtype == torch.float32
        torch.testing.assert_close(mean[0], one[0].mean(1))
        assert one[1]["verb"].tolist() == other[1]["verb"].tolist() == positions.tolist()

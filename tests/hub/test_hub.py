import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.core.errors import ArtifactError
from egoact.core.files import write_json
from egoact.hub import pull, push
from egoact.runs.loading import PACKAGED_RUN
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import Recognizer
from tests.export.test_export import NUM_FRAMES, make_run
from tests.makers.machines.hub import TOKEN, Hub, open_test_hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the library's own way
NAME = "kitchen/opens-and-closes"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, somebody who is logged in there, and files sent by plain HTTP."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with open_test_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_run(tmp_path_factory.mktemp("run") / "run")
    write_json(path / "metrics.json", {"verb": {"top1": 61.5}})
    Provenance({"A_1": [[0.0, 1.0], [2.0, 3.0]]}).write(path)
    (path / "notes.txt").write_text("nobody else's business")
    return path


def test_a_run_comes_back_as_it_was_pushed(
    hub: Hub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories[NAME] = {"export.json": b"{}", "model.pkl": pickle.dumps(run), "LICENSE": b"MIT"}
    words = ["--name", NAME, "--endpoint", hub.url]
    with pytest.raises(SystemExit, match="0"):
        main(["hub", "push", "--run", str(run), "--license", "cc-by-4.0", *words])
    there = hub.repositories[NAME]
    own = {"config.json", "model.safetensors", "README.md", "trained_on.json", "metrics.json"}
    assert there.keys() == own | {"model.pkl", "LICENSE"}
    assert len(hub.commits) == 1 and not hub.private
    card = there["README.md"].decode()
    assert card.startswith('---\nlibrary_name: "egoact"\n') and 'license: "cc-by-4.0"' in card
    assert "3 verb classes: open, close, cut" in card and f"egoact hub pull --name {NAME}" in card
    assert (
        "2 labelled segments of 1 recordings" in card
        and "verb, on what was held out in training: top-1 accuracy 61.5 %" in card
    )
    with pytest.raises(SystemExit, match="0"):
        main(["hub", "pull", "--out", str(tmp_path / "pulled"), *words])
    assert "3 verb classes" in capsys.readouterr().out
    assert {each.name for each in (tmp_path / "pulled").iterdir()} == own
    features = np.random.default_rng(0).random((5, NUM_FRAMES, 32)).astype(np.float16)
    expected, found = (Recognizer.load(each).score(features) for each in (run, tmp_path / "pulled"))
    for target, values in expected.items():
        np.testing.assert_array_equal(found[target], values)
    assert {each.name for each in tmp_path.iterdir()} == {"pulled"}


def test_an_export_comes_back_with_its_own_card(hub: Hub, tmp_path: Path) -> None:
    push(PACKAGED_RUN, NAME, endpoint=hub.url)
    run = pull(NAME, tmp_path / "pulled", endpoint=hub.url)
    assert not run.segmenter.looks_ahead
    expected, found = ({p.name: p.read_bytes() for p in each.iterdir()} for each in (PACKAGED_RUN, run.path))
    assert found == expected and "frame_grid.onnx" in found


def without(name: str):
    return lambda files: files.pop(name)


def with_content(name: str, content: bytes):
    return lambda files: files.update({name: content})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("config.json"), "holds no run of egoact"),
        (without("model.safetensors"), "holds no run of egoact"),
        (with_content("model.safetensors", pickle.dumps([1])), "no run that can be used.*cannot be used"),
        (with_content("config.json", b'{"format_version": 1, "num_frames": 1e99}'), "no run that can be used.*damaged"),
        (with_content("README.md", bytes(2**20 + 1)), "larger than 1 MiB"),
        (with_content("backbone.safetensors", b"x"), "no run that can be used"),
        (with_content("export.json", b"{}"), "no run that can be used"),
    ],
)
def test_what_is_no_run_is_refused_before_it_has_a_place(hub: Hub, run: Path, tmp_path: Path, change, message) -> None:
    push(run, NAME, endpoint=hub.url)
    change(hub.repositories[NAME])
    with pytest.raises(ArtifactError, match=message) as raised:
        pull(NAME, tmp_path / "pulled", endpoint=hub.url)
    assert str(tmp_path) not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_who_is_not_logged_in_or_not_online_is_told(
    hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArtifactError, match="no such repository .*hf auth login"):
        pull(NAME, tmp_path / "pulled", endpoint=hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(ArtifactError, match="status 401.*hf auth login"):
        push(run, NAME, endpoint=hub.url)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ArtifactError, match="not logged in.*HF_TOKEN"):
        push(run, NAME, endpoint=hub.url)
    with pytest.raises(ArtifactError, match=r"127\.0\.0\.1:9 cannot be reached"):
        pull(NAME, tmp_path / "pulled", endpoint="http://127.0.0.1:9")
    (tmp_path / "pulled").write_text("a file")
    with pytest.raises(ArtifactError, match="holds something already"):
        pull(NAME, tmp_path / "pulled", endpoint=hub.url)

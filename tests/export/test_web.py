"""The page of an export answers in a real browser as the export does in Python, and goes on without a network."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from egoact.commands.using.export import ExportSettings, export
from egoact.core.errors import ArtifactError
from egoact.export.web import RUNTIME_FILES, find_runtime
from egoact.export.web_server import open_server
from egoact.live.streaming import open_run_stream
from egoact.runs.loading import load_run
from tests.export.test_export import make_run
from tests.live.test_step_streams import save_run
from tests.makers.data.extraction import make_video, write_segments
from tests.makers.machines.browser import PHONE, chromium, fake_camera, watched, write_camera
from tests.makers.machines.places import ROOT

NUM_PICTURES = 60
ASK = """async (pictures) => {
  egoact.clear();
  const answers = [];
  for (const [encoded, seconds] of pictures) {
    const pixels = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    answers.push(await egoact.ask(pixels, seconds));
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def runtime() -> Path:
    folder = ROOT / "web" / "node_modules" / "onnxruntime-web"
    if not (folder / "dist").is_dir():
        pytest.skip("needs onnxruntime-web: cd web && npm ci")
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, runtime: Path) -> Path:
    """A film, and pages of a run that names clips and of one that goes step by step."""
    folder = tmp_path_factory.mktemp("pages")
    make_video(folder / "A_1.mp4", 1)
    write_segments(folder / "segments.csv", ["A_1"])
    make_run(folder / "clips_run")
    save_run(folder / "steps_run", "causal", streams=("rgb", "grid"))
    for name in ("clips", "steps"):
        made = ExportSettings(
            run=folder / f"{name}_run",
            out=folder / name,
            segments=(folder / "segments.csv",),
            media=(folder,),
            format="web",
            web_runtime=runtime,
            clips=2,
        )
        assert export(made) == 0
    return folder


@pytest.fixture(scope="module")
def browser(pages: Path) -> Iterator[Any]:
    """With a camera that shows the film."""
    with av.open(str(pages / "A_1.mp4")) as container:
        film = write_camera(pages / "film.y4m", container.decode(video=0), rate=15)
    with chromium(*fake_camera(film)) as found:
        yield found


@contextmanager
def served(folder: Path) -> Iterator[int]:
    with open_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def python_answers(folder: Path, pictures: np.ndarray, seconds: np.ndarray) -> list[dict[str, np.ndarray] | None]:
    stream = open_run_stream(load_run(folder))
    said = [stream.push(*each) for each in zip(pictures, seconds.tolist(), strict=True)]
    return [None if each is None else dict(each.probabilities) for each in said]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clips", "steps"])
def test_the_page_answers_like_python(name: str, pages: Path, browser: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (NUM_PICTURES, 32, 32, 3), np.uint8)
    seconds = np.arange(NUM_PICTURES) / 15
    seconds[NUM_PICTURES // 2 :] += 0.7  # some pictures never came
    expected = python_answers(pages / name, pictures, seconds)
    given = [(base64.b64encode(each.tobytes()).decode(), at) for each, at in zip(pictures, seconds, strict=True)]
    with served(pages / name) as port, watched(browser, port) as seen:
        page = seen.open("/?pictures&backend=wasm")
        page.locator("html[data-backend]").wait_for(state="attached")
        assert page.evaluate("crossOriginIsolated"), "threads need it"
        found: list[dict[str, Any]] = page.evaluate(ASK, given)
    assert [bool(each.get("shares")) for each in found] == [each is not None for each in expected]
    answered = [(a["shares"], b) for a, b in zip(found, expected, strict=True) if b is not None]
    assert len(answered) > 10
    for target in answered[0][1]:
        theirs, ours = (np.log([np.maximum(each[k][target], 1e-30) for each in answered]) for k in (0, 1))
        np.testing.assert_allclose(theirs, ours, atol=1e-2)
        assert np.ptp(ours, axis=0).max() > 0.5, "it says the same of everything"


@pytest.mark.slow
def test_a_camera_is_recognised_offline_too(pages: Path, browser: Any) -> None:
    names = json.loads((pages / "clips" / "labels.json").read_text(encoding="utf-8"))
    with (
        served(pages / "clips") as port,
        watched(browser, port, size=PHONE, permissions=["camera"]) as seen,
    ):
        seen.expected.append("No available adapters")  # so it takes WebAssembly
        page = seen.open("/")
        page.locator("#best li").nth(4).wait_for()
        verb, noun = page.locator("#action").inner_text().split()
        assert verb in names["verb"] and noun in names["noun"]
        assert "WebAssembly" in page.locator("#numbers").inner_text()
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        page.context.set_offline(True)
        page.reload()
        page.locator("#best li").nth(4).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than a phone"


def test_what_a_page_cannot_show_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = save_run(tmp_path / "run", "causal")
    options = {"segments": (tmp_path / "none.csv",), "media": (tmp_path,), "format": "web"}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="npm install --no-save onnxruntime-web@"):
        find_runtime(None)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / next(iter(RUNTIME_FILES))).write_text("another version")
    with pytest.raises(ArtifactError, match="is not that file of onnxruntime-web"):
        find_runtime(tmp_path)
    monkeypatch.setattr("egoact.export.web.RUNTIME_FILES", {})
    with pytest.raises(ArtifactError, match="also looks at difference, motion; train one with --streams rgb"):
        export(ExportSettings(run=run, out=tmp_path / "out", web_runtime=tmp_path, **options))
    with pytest.raises(ArtifactError, match="looks into the future"):
        run = save_run(tmp_path / "linear", "linear", streams=("rgb",))
        export(ExportSettings(run=run, out=tmp_path / "out", web_runtime=tmp_path, **options))
    with pytest.raises(ArtifactError, match="no page here; make one with egoact export --format web"):
        open_server(tmp_path, 0)

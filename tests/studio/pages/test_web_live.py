"""The studio's page "Live" in a real browser: its own camera, and recordings, files and streams of the server."""

import functools
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from egoact.core.files import write_json
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.studio.live.sessions import LiveSessions
from tests.makers.films.media import picture, write_video
from tests.makers.films.rtsp_server import RtspServer
from tests.makers.machines.browser import Watched, chromium, fake_camera, write_camera
from tests.makers.machines.studio import Client, running
from tests.studio.test_live import Counting

pytestmark = pytest.mark.slow
ANSWERED = "() => /^(even|odd)$/.test(document.querySelector('.current').textContent)"


class Paced(Counting):
    """Looks at five pictures a second at most, as runs do; passes the others over."""

    _last = -1.0

    def push(self, picture: np.ndarray, seconds: float) -> OnlinePrediction | None:
        if seconds - self._last < 0.2:
            return None
        self._last = seconds
        return super().push(picture, seconds)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    numbered = [av.VideoFrame.from_ndarray(picture(n // 10, size=(240, 320)), format="rgb24") for n in range(20)]
    film = write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m", numbered, rate=10)
    with chromium(*fake_camera(film)) as found:
        yield found


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A recording of two seconds, and a run that is loaded in a moment."""
    monkeypatch.setattr(LiveSessions, "_load", lambda *_: (Paced(), ("verb",), 5.0))
    write_video(tmp_path / "recordings" / "ana_1.mp4", num_frames=50, rate=25, size=(180, 320))
    write_json(tmp_path / "runs" / "run-1" / "config.json", {"vocabularies": {"verb": {}}, "segmenter": "causal"})
    with running(tmp_path) as client:
        yield client


def test_the_camera_is_answered_and_kept_as_a_recording(screen: Watched, studio: Client) -> None:
    page = screen.open("/live")
    page.get_by_role("button", name="Start").click()
    page.wait_for_function(ANSWERED)
    rows = page.locator("section[aria-labelledby=running] tbody tr")
    rows.nth(2).wait_for()
    start, stop = (float(cell.partition(":")[2]) for cell in rows.nth(1).locator("td").all_inner_texts()[:2])
    assert 0.3 < stop - start < 3, "one action in one piece, though not every picture was looked at"
    assert re.search(
        r"\d+ ms\s+from picture to answer", page.locator("section[aria-label='What happens']").inner_text()
    )
    page.get_by_label("Big letters").check()
    size = page.locator(".current").evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
    assert size >= 48
    page.get_by_role("button", name="Stop").click()
    page.get_by_placeholder("name of the recording").fill("from the camera")
    page.get_by_role("button", name="Save as a recording").click()
    page.get_by_role("link", name="Open from the camera").wait_for()
    assert "from the camera" in [each["id"] for each in studio.get("/api/recordings").json]


def test_a_recording_of_the_server_is_answered_as_if_it_happened_now(screen: Watched) -> None:
    page = screen.open("/live")
    camera = page.locator("label.field", has_text="Camera").locator("select")
    camera.select_option(label="ana_1")
    page.get_by_role("button", name="Start").click()
    page.wait_for_function(ANSWERED)
    page.wait_for_function("() => document.querySelector('img.watched').naturalWidth === 320")
    page.get_by_role("button", name="Save as a recording").wait_for()  # two seconds, and it has ended by itself
    assert page.locator(".fault").count() == 0
    camera.select_option(label="a camera of the server, or an address …")
    page.get_by_label("Number of the camera, or address").fill("no camera")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("'no camera' is no recording").wait_for()


def watch(page: Any, address: str) -> None:
    page.locator("label.field", has_text="Camera").locator("select").first.select_option(
        label="a camera of the server, or an address …"
    )
    page.get_by_label("Number of the camera, or address").fill(address)
    page.get_by_role("button", name="Start").click()
    page.wait_for_function(ANSWERED)


def test_a_stream_of_the_network_is_watched_through_a_break(screen: Watched, studio: Client) -> None:
    page = screen.open("/live")
    with RtspServer([picture(number // 10) for number in range(20)], rate=10, break_after=30) as server:
        watch(page, server.url)
        page.wait_for_function("() => document.querySelector('img.watched').naturalWidth === 144")
        page.get_by_role("alert").get_by_text("trying again").wait_for()
        page.get_by_role("alert").wait_for(state="detached")  # it is there again
        assert server.num_connections == 2
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Stop").click()
    page.get_by_placeholder("name of the recording").fill("from the stream")
    page.get_by_role("button", name="Save as a recording").click()
    page.get_by_role("link", name="Open from the stream").wait_for()
    saved = next(each for each in studio.get("/api/recordings").json if each["id"] == "from the stream")
    assert saved["width"] == 144 and saved["num_proposals"] >= 2


def test_a_file_of_a_web_server_is_watched_to_its_end(screen: Watched, tmp_path: Path) -> None:
    film = write_video(
        tmp_path / "web" / "film.mp4", num_frames=40, rate=20, images=[picture(n // 10) for n in range(40)]
    )
    handler = functools.partial(Quiet, directory=str(film.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = screen.open("/live")
        watch(page, f"http://127.0.0.1:{server.server_address[1]}/film.mp4")
        page.get_by_role("button", name="Save as a recording").wait_for()  # after two seconds, by itself
        assert page.locator(".fault").count() == 0
        assert page.locator("section[aria-labelledby=running] tbody tr").count() >= 2
    finally:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:  # noqa: D102
        pass

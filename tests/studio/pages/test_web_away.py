"""The server is killed while somebody labels; what they did meanwhile is saved when it is back."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.makers.films.media import write_video
from tests.makers.machines.browser import watched
from tests.makers.machines.studio import Client, in_a_process

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def starts(client: Client) -> list[float]:
    return [each["start_seconds"] for each in client.get("/api/labels/ana").json["segments"]]


def test_what_is_done_while_the_server_is_away_is_saved_when_it_is_back(browser: Any, tmp_path: Path) -> None:
    write_video(tmp_path / "recordings" / "ana_1.mp4", num_frames=50, rate=25, size=(180, 320))
    port = free_port()
    client = Client(port)
    with watched(browser, port) as screen:
        screen.expected += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE"]
        screen.expected += ["ERR_CONNECTION_RESET", "503 (Service Unavailable)"]
        with in_a_process(tmp_path, port=port) as (_, process):
            assert client.post("/api/annotators", {"name": "ana"}).status == 201
            page = screen.open("/label?recording=ana_1")
            page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")
            press(page, "i", *["ArrowRight"] * 5, "o")
            page.get_by_text("saved", exact=True).wait_for()
            process.kill()
            process.join()
            page.get_by_text("server does not answer").wait_for()
            press(page, "i", *["ArrowRight"] * 5, "o")
            press(page, "i", *["ArrowRight"] * 5, "o", "Control+z")
            page.get_by_text(re.compile(r"\d changes? not saved yet")).wait_for()
        with in_a_process(tmp_path, port=port) as (_, process):
            page.get_by_text("saved", exact=True).wait_for()
            page.get_by_text("server does not answer").wait_for(state="detached")
            assert starts(client) == [0.0, 0.2], "the third one was undone"
            process.kill()
            process.join()
            press(page, "i", *["ArrowRight"] * 5, "o")
            page.get_by_text("1 change not saved yet").wait_for()
            page.wait_for_function("() => Object.keys(localStorage).some((name) => name.includes('unsaved'))")
            again = page.context.new_page()
            page.close()  # the tab is closed meanwhile, without a question
        with in_a_process(tmp_path, port=port):
            again.goto(f"http://127.0.0.1:{port}/label?recording=ana_1")
            again.get_by_text("3 segments").wait_for()
            again.get_by_text("saved", exact=True).wait_for()
            assert len(starts(client)) == 3

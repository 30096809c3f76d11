"""The studio's pages in a real browser on a real server: Debian's chromium, driven by Playwright."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.makers.films.media import write_video
from tests.makers.machines.browser import DESKTOP, PHONE, Watched, faults_of_accessibility, watched
from tests.makers.machines.studio import Client, adding, running

pytestmark = pytest.mark.slow
LABELS = "/label?recording=ana_1"
NUMBER_IN_PICTURE = """() => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 180];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(document.querySelector("video"), 0, 0, 320, 180);
  const isBright = (bit) => context.getImageData(Math.floor(((2 * bit + 1) * 320) / 24), 30, 1, 1).data[1] > 127;
  return Array.from({ length: 12 }, (_, bit) => (isBright(bit) ? 1 << bit : 0)).reduce((a, b) => a | b);
}"""
POLL = "(number) => document.querySelector('video')?.dataset.shown === String(number)"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Client]:
    """Two recordings, four seconds each, and one annotator."""
    for name, first in (("ana_1", 0), ("ben_1", 500)):
        path = tmp_path / "project" / "recordings" / f"{name}.mp4"
        write_video(path, num_frames=100, rate=25, size=(180, 320), with_sound=True, first_number=first)
    with running(tmp_path / "project", max_upload_bytes=5_000_000) as client:
        assert client.post("/api/annotators", {"name": "ana"}).status == 201
        yield client


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def show(page: Any, number: int) -> None:
    """Wait until the browser says that it shows a picture."""
    page.wait_for_function(POLL, arg=number)


def saved(page: Any) -> None:
    page.get_by_text("saved", exact=True).wait_for()


def labels_of(studio: Client, annotator: str = "ana") -> list[tuple[float, float, str | None, str | None]]:
    found = studio.get(f"/api/labels/{annotator}?recording=ana_1").json["segments"]
    return [(each["start_seconds"], each["stop_seconds"], each["verb"], each["noun"]) for each in found]


def open_labels(screen: Watched) -> Any:
    page = screen.open(LABELS)
    show(page, 0)
    return page


def type_label(page: Any, verb: str, noun: str) -> None:
    press(page, "Enter")
    page.keyboard.type(verb)
    press(page, "Enter")
    page.keyboard.type(noun)
    press(page, "Enter")


def test_the_first_page_shows_recordings_and_takes_more(screen: Watched, studio: Client, tmp_path: Path) -> None:
    page = screen.open("/")
    cards = page.locator(".recording")
    cards.nth(1).wait_for()
    assert [name.split("\n")[0] for name in page.locator(".recording .name").all_inner_texts()] == ["ana_1", "ben_1"]
    assert "0:04" in cards.first.inner_text() and "not labelled" in cards.first.inner_text()
    assert page.locator(".next li.now").inner_text().startswith("Label")
    upload = write_video(tmp_path / "new one.mp4", num_frames=25, rate=25)
    page.locator("input[type=file]").set_input_files(upload)
    cards.nth(2).wait_for()
    assert (tmp_path / "project" / "recordings" / "new one.mp4").read_bytes() == upload.read_bytes()
    other = write_video(tmp_path / "other" / "new one.mp4", num_frames=5, rate=25)
    screen.expected.append("409 (Conflict)")
    page.locator("input[type=file]").set_input_files(other)
    assert "new one" in page.locator(".uploads .fault").inner_text()


def test_a_folder_that_is_dropped_is_looked_through_for_videos(screen: Watched, tmp_path: Path) -> None:
    for name in ("days/one.MP4", "days/monday/two.mov"):
        write_video(tmp_path / name, num_frames=5, rate=25)
    (tmp_path / "days" / "list.txt").write_text("no video")
    page = screen.open("/")
    page.locator(".recording").nth(1).wait_for()
    data = {"items": [], "files": [str(tmp_path / "days")], "dragOperationsMask": 1}
    mouse = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        mouse.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": data})
    page.locator(".recording").nth(3).wait_for()
    assert {"one", "two"} <= set(page.locator(".recording .name").all_inner_texts())
    assert page.locator(".uploads .fault").count() == 0


def test_three_actions_are_labelled_by_keys_and_outlive_the_page(screen: Watched, studio: Client) -> None:
    page = open_labels(screen)
    press(page, "Shift+ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight")
    show(page, 26)
    press(page, "i", *["ArrowRight"] * 24)
    show(page, 50)
    press(page, "o")
    type_label(page, "take", "cup")
    press(page, "i", *["ArrowRight"] * 10, "1", "o")  # a number, while it is being made
    press(page, "i", *["ArrowRight"] * 5, "o")
    type_label(page, "ta", "spoon")  # Enter takes the first word that fits
    saved(page)
    expected = [(1.04, 2.0, "take", "cup"), (2.0, 2.4, "take", "cup"), (2.4, 2.6, "take", "spoon")]
    assert labels_of(studio) == expected
    page.reload()
    show(page, 0)
    rows = page.locator(".segments tbody tr")
    assert [row.split("\t")[2:4] for row in rows.all_inner_texts()] == [
        ["take", "cup"],
        ["take", "cup"],
        ["take", "spoon"],
    ]
    assert page.locator(".palette button").first.inner_text().split("\n")[-1].strip().endswith("take cup")
    file = studio.get("/api/project").json["annotators"][0]
    assert file["num_segments"] == 3


def test_undo_goes_back_to_the_beginning_and_forward_again(screen: Watched, studio: Client) -> None:
    page = open_labels(screen)
    press(page, "i", *["ArrowRight"] * 50, "o")
    type_label(page, "wash", "plate")
    press(page, "h", *["ArrowLeft"] * 25, "s")
    saved(page)
    halves = [(0.0, 1.0, "wash", "plate"), (1.0, 2.0, "wash", "plate")]
    assert labels_of(studio) == halves
    assert {each["hand"] for each in studio.get("/api/labels/ana").json["segments"]} == {"left"}
    press(page, "Delete")
    press(page, *["Control+z"] * 6)
    saved(page)
    assert labels_of(studio) == []
    press(page, *["Control+Shift+z"] * 5)
    saved(page)
    assert labels_of(studio) == halves
    press(page, "ArrowUp", "ArrowUp", "PageUp", "m")
    saved(page)
    assert labels_of(studio) == [(0.0, 2.0, "wash", "plate")]


def test_edges_are_moved_by_keys_by_the_mouse_and_in_the_form(screen: Watched, studio: Client) -> None:
    studio.edit("ana", adding("ana_1", 1.0, 2.0, "open"))
    page = open_labels(screen)
    press(page, "PageDown")
    show(page, 25)
    press(page, *["ArrowLeft"] * 5, "[")
    saved(page)
    assert labels_of(studio) == [(0.8, 2.0, "open", None)]
    page.get_by_label("Stop", exact=True).fill("0:03.009")
    press(page, "Enter")
    saved(page)
    assert labels_of(studio) == [(0.8, 3.0, "open", None)], "edges lie where pictures begin"
    with dragged(page, 3.0, 2.2):
        pass
    labelled(page, studio, [(0.8, 2.2, "open", None)])


def test_edits_reach_the_segment_they_were_begun_on_however_late_answers_are(screen: Watched, studio: Client) -> None:
    """A slow browser, waveforms that never come, and something else selected while a drag or a field is unfinished."""
    studio.edit("ana", adding("ana_1", 0.4, 1.0, "open"), adding("ana_1", 2.0, 3.0, "close"))
    screen.expected.append("503 (Service Unavailable)")
    screen.page.route(
        "**/waveform?*", lambda asked: asked.fulfill(status=503, headers={"retry-after": "600"}, body="{}")
    )
    slow = screen.page.context.new_cdp_session(screen.page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page = open_labels(screen)
    with dragged(page, 1.0, 1.2):
        press(page, "PageDown")
    labelled(page, studio, [(0.4, 1.2, "open", None), (2.0, 3.0, "close", None)])
    with dragged(page, 1.2, 1.4):
        press(page, "Escape")
    labelled(page, studio, [(0.4, 1.4, "open", None), (2.0, 3.0, "close", None)])
    page.mouse.click(*at_seconds(page, 0.8))
    page.get_by_label("Stop", exact=True).fill("0:01.520")
    page.mouse.click(*at_seconds(page, 2.5))
    labelled(page, studio, [(0.4, 1.52, "open", None), (2.0, 3.0, "close", None)])
    page.get_by_label("Verb", exact=True).fill("open")
    page.mouse.click(*at_seconds(page, 0.8))
    labelled(page, studio, [(0.4, 1.52, "open", None), (2.0, 3.0, "open", None)])


def at_seconds(page: Any, seconds: float) -> tuple[float, float]:
    """Where a moment is in the first track of a recording of four seconds: below ruler, sound, motion and its name."""
    box = page.locator("canvas.timeline").bounding_box()
    return box["x"] + seconds * box["width"] / 4, box["y"] + 24 + 36 + 22 + 16 + 12


@contextmanager
def dragged(page: Any, start: float, stop: float) -> Iterator[None]:
    """Drag with the mouse; what is done inside is done before the mouse is let go."""
    page.mouse.move(*at_seconds(page, start))
    page.mouse.down()
    page.mouse.move(*at_seconds(page, (start + stop) / 2), steps=4)
    page.mouse.move(*at_seconds(page, stop))
    yield
    page.mouse.up()


def labelled(page: Any, studio: Client, expected: list[tuple[float, float, str | None, str | None]]) -> None:
    """Wait for labels on the server: what the page calls saved may still be the edit before."""
    for _ in range(300):
        if labels_of(studio) == expected:
            return
        page.wait_for_timeout(100)
    assert labels_of(studio) == expected


def test_every_picture_is_reached_and_is_the_right_one(screen: Watched) -> None:
    """Numbers are in the pictures; the browser's own pixels are read."""
    page = open_labels(screen)
    for number in (1, 2, 3):
        press(page, "ArrowRight")
        show(page, number)
        assert page.evaluate(NUMBER_IN_PICTURE) == number
    press(page, "End")
    show(page, 99)
    assert page.evaluate(NUMBER_IN_PICTURE) == 99
    press(page, "Shift+ArrowLeft", "ArrowLeft")
    show(page, 73)
    assert page.evaluate(NUMBER_IN_PICTURE) == 73


def test_steps_go_on_in_a_quick_copy_and_undo_remains(screen: Watched, studio: Client, tmp_path: Path) -> None:
    path = tmp_path / "project" / "recordings" / "slow.mp4"
    write_video(path, num_frames=240, rate=25, size=(180, 320), gop=240)
    page = screen.open("/label?recording=slow")
    show(page, 0)
    press(page, "i", *["ArrowRight"] * 5, "o")
    page.wait_for_function("() => document.querySelector('video').src.includes('is_quick=true')", timeout=60_000)
    press(page, "Shift+ArrowRight", "ArrowRight")
    show(page, 31)
    assert page.evaluate(NUMBER_IN_PICTURE) == 31
    press(page, "Control+z")
    saved(page)
    assert studio.get("/api/labels/ana?recording=slow").json["segments"] == []
    assert [job["kind"] for job in studio.get("/api/jobs").json] == ["quick"]


def test_labels_change_while_the_video_plays(screen: Watched, studio: Client) -> None:
    studio.edit("ana", adding("ana_1", 0.0, 4.0, "open"), adding("ana_1", 0.0, 1.0, "close"))
    page = open_labels(screen)
    press(page, "l", "j", "Space")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
    page.locator(".segments tbody tr").nth(0).click()
    press(page, "Space", "2")
    saved(page)
    assert sorted(str(label[2]) for label in labels_of(studio)) in (["close", "close"], ["open", "open"])


def test_buttons_that_a_mouse_presses_leave_the_keys_to_the_timeline(screen: Watched, studio: Client) -> None:
    studio.edit("ana", adding("ana_1", 1.0, 2.0, "open"))
    page = open_labels(screen)
    page.get_by_role("button", name="A picture on").click()
    page.locator(".segments tbody button").first.click()
    show(page, 25)
    press(page, "Space")
    page.wait_for_function("() => !document.querySelector('video').paused")
    press(page, "k", "Enter")
    assert page.evaluate("() => document.activeElement.name") == "verb"


def test_two_browsers_do_not_lose_each_others_work(browser: Any, screen: Watched, studio: Client) -> None:
    studio.edit("ana", adding("ana_1", 1.0, 2.0, "open"))
    page = open_labels(screen)
    page.locator(".segments tbody tr").first.click()
    screen.expected += ["net::ERR_FAILED", "409 (Conflict)"]
    page.route("**/edits", lambda route: route.abort())
    press(page, *["ArrowLeft"] * 5, "[")
    page.get_by_text("1 change not saved yet").wait_for()
    page.get_by_text("server does not answer").wait_for()
    segment = studio.get("/api/labels/ana").json["segments"][0]
    values = {key: value for key, value in segment.items() if key not in ("id", "version")}
    change = {"op": "change", "id": segment["id"], "version": 1, "segment": {**values, "verb": "close"}}
    assert studio.edit("ana", change).status == 200
    page.unroute("**/edits")
    page.get_by_role("heading", name="Somebody else changed the same segment").wait_for()
    assert "close" in page.locator("dialog").inner_text()
    page.get_by_role("button", name="Keep mine").click()
    saved(page)
    assert labels_of(studio) == [(0.8, 2.0, "open", None)]
    with watched(browser, studio.port) as second:
        other = open_labels(second)
        other.locator(".segments tbody tr").first.click()
        press(other, "Delete")
        saved(other)
    page.get_by_text("0 segments").wait_for()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit(browser: Any, studio: Client, size: tuple[int, int], scheme: str) -> None:
    studio.edit("ana", adding("ana_1", 1.0, 2.0, "open", noun="jar"), adding("ana_1", 2.0, 3.0, "close", hand="left"))
    with watched(browser, studio.port, size=size, color_scheme=scheme) as screen:
        for path in ("/", LABELS):
            page = screen.open(path)
            page.get_by_text("ana_1").first.wait_for(state="attached")
            if path == LABELS:
                show(page, 0)
                page.locator(".segments tbody tr").first.click()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
            assert faults_of_accessibility(page) == []
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys").wait_for()
        assert faults_of_accessibility(page) == []
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")


def test_a_ticked_box_stays_ticked_until_the_server_has_answered(screen: Watched, studio: Client) -> None:
    assert studio.edit("ana", adding("ana_1", 1.0, 2.0, "open")).status == 200
    page, held = screen.open("/"), []
    page.route("**/api/recordings/ana_1", lambda route: held.append(route))
    box = page.locator(".recording", has_text="ana_1").get_by_label("everything in it is labelled")
    box.check()
    assert studio.edit("ana", adding("ana_1", 2.5, 3.0, "close")).status == 200
    page.locator(".recording", has_text="ana_1").get_by_text("2 labels").wait_for()  # drawn anew, without an answer
    assert box.is_checked() and len(held) == 1
    held[0].continue_()
    page.locator(".recording .state.labelled").wait_for()
    assert box.is_checked()


def test_names_are_escaped_and_files_are_plain(screen: Watched, studio: Client) -> None:
    studio.edit("ana", adding("ana_1", 1.0, 2.0, "<img src=x onerror=alert(1)>", noun='"; drop'))
    page = open_labels(screen)
    assert page.locator(".segments td").nth(2).inner_text() == "<img src=x onerror=alert(1)>"
    assert page.locator(".segments img").count() == 0
    assert re.search(r"script-src 'self'", studio.get("/").headers["content-security-policy"])


def test_the_csv_of_labels_is_what_was_typed(screen: Watched, studio: Client, tmp_path: Path) -> None:
    page = open_labels(screen)
    press(page, "i", *["ArrowRight"] * 25, "o")
    type_label(page, "cut", "bread")
    press(page, "n")
    page.keyboard.type("with the left hand, “slowly”")
    press(page, "Enter")
    saved(page)
    path = tmp_path / "project" / "labels" / "ana.csv"
    for _ in range(50):  # the file follows within a moment
        if "slowly" in path.read_text(encoding="utf-8"):
            break
        page.wait_for_timeout(200)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [(row["verb"], row["noun"], row["note"]) for row in rows] == [
        ("cut", "bread", "with the left hand, “slowly”")
    ]

"""The whole loop in a real browser on half a minute of real recordings (GTEA), and how its pages look, large and small.

    EGOACT_SCREENSHOTS=FOLDER pytest -m slow tests/studio/pages/test_web_real.py

keeps what the pages look like there, as PNG.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from tests.makers.machines.browser import (
    DESKTOP,
    PHONE,
    SCREENSHOTS,
    Watched,
    chromium,
    fake_camera,
    faults_of_accessibility,
    watched,
    write_camera,
)
from tests.makers.machines.places import SHARED
from tests.makers.machines.studio import Client, running

GTEA = SHARED / "data" / "gtea"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GTEA.is_dir(), reason="needs the recordings of GTEA in ../shared/data/gtea"),
]
LABELLED, NEW, SEEN_LIVE = ("S2_Cheese_C1", "S2_Pealate_C1"), "S2_Tea_C1", "S2_Coffee_C1"
ACTIONS = (("take", "cup", 20), ("open", "tea", 12), ("pour", "water", 30))
SECONDS = 15  # of each recording
MINUTES = 60_000  # milliseconds
SHOWS = "(number) => document.querySelector('video')?.dataset.shown === String(number)"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with av.open(str(GTEA / "videos" / f"{SEEN_LIVE}.mp4")) as container:
        pictures = (picture for picture, _ in zip(container.decode(video=0), range(300), strict=False))
        film = write_camera(tmp_path / "camera.y4m", pictures, rate=15)
    with chromium(*fake_camera(film)) as found:
        yield found


def beginning(name: str, folder: Path) -> Path:
    """The first `SECONDS` of a recording, packet by packet."""
    path = folder / f"{name}.mp4"
    with av.open(str(GTEA / "videos" / path.name)) as whole, av.open(str(path), "w") as cut:
        video = whole.streams.video[0]
        copied = cut.add_stream_from_template(video)
        for packet in whole.demux(video):
            if not packet.size or (packet.is_keyframe and packet.pts * packet.time_base >= SECONDS):
                break
            packet.stream = copied
            cut.mux(packet)
    return path


@dataclass
class Walk:
    """A person's way through the pages, each of which is looked at."""

    screen: Watched
    pictures: Path | None

    @property
    def page(self) -> Any:
        return self.screen.page

    def go(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=name).click()

    def look(self, name: str) -> None:
        """At both sizes nothing is wider than the screen, and axe-core finds nothing serious."""
        notices = self.page.locator(".notice button")
        while notices.count():
            notices.first.dispatch_event("click")  # in one go: a notice may leave by itself before it is reached
            self.page.wait_for_timeout(50)
        for size, words in ((PHONE, "phone"), (DESKTOP, "desktop")):
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            self.page.wait_for_timeout(300)
            assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
            assert faults_of_accessibility(self.page) == [], f"{name}, {words}"
            if self.pictures is not None:
                self.page.screenshot(path=self.pictures / f"{name}-{words}.png", full_page=size == PHONE)

    def wait_for_jobs(self) -> None:
        self.page.get_by_text("Nothing is being computed").wait_for(timeout=5 * MINUTES)


@pytest.mark.long
@pytest.mark.usefixtures("measured_engines", "forked_jobs")
def test_the_whole_loop_on_real_recordings(browser: Any, tmp_path: Path) -> None:
    with running(tmp_path / "project", max_upload_bytes=100_000_000) as studio:
        with watched(browser, studio.port, accept_downloads=True) as screen:
            screen.expected.append("503 (Service Unavailable)")  # a waveform that is computed for the first time
            walk = Walk(screen, SCREENSHOTS)
            screen.open("/")
            bring_recordings(walk, tmp_path)
            label_by_keys(walk)
            assert times_of(studio, "ana") == expected_labels()
            bring_labels(walk, tmp_path)
            train_and_propose(walk)
            correct_an_edge(walk)
            assert len(times_of(studio, "ana")) == len(ACTIONS) + 1
            open_results(walk)
            watch_live(walk)
            take_away_and_bring_back(walk, tmp_path)
        assert content_of(studio, "ben") == content_of(studio, "ana")
        live = next(each for each in studio.get("/api/recordings").json if each["id"] == "camera 1")
        assert live["num_frames"] > 2 and "camera 1" in studio.get("/api/runs").json[0]["timelines"]


def times_of(studio: Client, annotator: str) -> list[tuple[float, float, str, str]]:
    """Labels of the new recording."""
    found = studio.get(f"/api/labels/{annotator}?recording={NEW}").json["segments"]
    return [(each["start_seconds"], each["stop_seconds"], each["verb"], each["noun"]) for each in found]


def content_of(studio: Client, annotator: str) -> set[tuple[Any, ...]]:
    """All labels, in milliseconds."""
    names = ("recording_id", "verb", "noun", "hand", "note")
    return {
        (*(each[name] for name in names), *(round(1000 * each[f"{edge}_seconds"]) for edge in ("start", "stop")))
        for each in studio.get(f"/api/labels/{annotator}").json["segments"]
    }


def expected_labels() -> list[tuple[Any, ...]]:
    """15 pictures a second, one label after the other."""
    found, start = [], 0
    for verb, noun, count in ACTIONS:
        edges = (pytest.approx(n / 15, abs=1e-4) for n in (start, start + count))
        found.append((*edges, verb, noun))
        start += count
    return found


def bring_recordings(walk: Walk, tmp_path: Path) -> None:
    page = walk.page
    page.get_by_text("Drop videos here").wait_for()
    walk.look("1-empty")
    page.get_by_role("button", name="Say who you are").click()
    page.get_by_label("Your name").fill("ana")
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("I am").wait_for()
    page.locator("input[type=file]").set_input_files([beginning(name, tmp_path) for name in (*LABELLED, NEW)])
    page.locator(".recording").nth(2).wait_for()
    for name in (*LABELLED, NEW):  # MPEG-4 Visual, which browsers do not play
        page.locator(".recording", has_text=name).get_by_role("button", name="Make a copy that they can").click()
    page.get_by_role("button", name="Make a copy").first.wait_for(state="detached")
    page.get_by_text("A copy is being made").first.wait_for(state="detached", timeout=2 * MINUTES)
    walk.look("2-recordings")


def label_by_keys(walk: Walk) -> None:
    page = walk.page
    page.get_by_role("link", name=NEW, exact=True).click()
    page.wait_for_function(SHOWS, arg=0, timeout=MINUTES)
    for verb, noun, count in ACTIONS:
        for key in ("i", *["ArrowRight"] * count, "o", "Enter"):
            page.keyboard.press(key)
        page.keyboard.type(verb)
        page.keyboard.press("Enter")
        page.keyboard.type(noun)
        page.keyboard.press("Enter")
    page.get_by_text("saved", exact=True).wait_for()
    page.reload()
    page.wait_for_function(SHOWS, arg=0)
    rows = page.locator(".segments tbody tr")
    assert [row.split("\t")[2:4] for row in rows.all_inner_texts()] == [[verb, noun] for verb, noun, _ in ACTIONS]
    rows.nth(1).click()
    page.wait_for_function(SHOWS, arg=20)
    walk.look("3-label")


def bring_labels(walk: Walk, tmp_path: Path) -> None:
    page = walk.page
    head, *rows = (GTEA / "segments.csv").read_text().splitlines()
    stop = head.split(",").index("stop_timestamp")
    kept = [row for row in rows if row.split(",")[2] in LABELLED and row.split(",")[stop] < f"00:00:{SECONDS}"]
    (tmp_path / "labels.csv").write_text("\n".join([head, *kept]) + "\n")
    walk.go("Import and export")
    page.locator("section[aria-labelledby=import] input[type=file]").set_input_files(tmp_path / "labels.csv")
    page.get_by_text(f"{len(kept)} segments added").wait_for()
    walk.go("Recordings")
    for name in LABELLED:
        page.locator(".recording", has_text=name).get_by_label("everything in it is labelled").check()
    page.locator(".recording .state.labelled").nth(1).wait_for()


def train_and_propose(walk: Walk) -> None:
    page = walk.page
    walk.go("Train and propose")
    page.get_by_label("Kind of model").select_option("causal")
    page.get_by_role("button", name="Train on my labels").click()
    page.get_by_text(re.compile(r"\d+ of \d+ frames")).wait_for(timeout=10 * MINUTES)
    walk.look("4-training")
    page.get_by_role("button", name="Propose actions").wait_for(timeout=5 * MINUTES)
    walk.wait_for_jobs()
    page.get_by_role("button", name="Propose actions").click()
    page.locator("section[aria-labelledby=least] tbody tr").first.wait_for(timeout=5 * MINUTES)
    walk.wait_for_jobs()
    walk.look("5-train")


def correct_an_edge(walk: Walk) -> None:
    page = walk.page
    page.locator("section[aria-labelledby=least]").get_by_role("link", name=NEW).click()
    page.locator(".proposals").get_by_text("open").first.wait_for()
    page.wait_for_function(SHOWS, arg=0)
    page.keyboard.press("a")
    page.get_by_role("heading", name=re.compile("^Proposal")).wait_for()
    walk.look("6-proposal")
    for key in ("ArrowRight", "ArrowRight", "["):
        page.keyboard.press(key)
    page.get_by_role("heading", name="Selected segment").wait_for()
    page.get_by_text("saved", exact=True).wait_for()


def open_results(walk: Walk) -> None:
    page = walk.page
    walk.go("Results")
    page.locator("table.confusion button").first.click()
    page.wait_for_function("() => document.querySelector('dialog video').currentTime > 0")
    page.keyboard.press("Escape")
    page.locator("section[aria-labelledby=mistakes]").get_by_role("button", name="Show").first.wait_for()
    page.locator(".dashboard table").first.wait_for()
    walk.look("7-results")


def watch_live(walk: Walk) -> None:
    page = walk.page
    walk.go("Live")
    page.get_by_role("button", name="Start").click()
    rows = page.locator("section[aria-labelledby=running] tbody tr")
    rows.first.wait_for(timeout=2 * MINUTES)
    page.get_by_label("Big letters").check()
    walk.look("8-live")
    page.get_by_role("button", name="Stop").click()
    page.get_by_placeholder("name of the recording").fill("camera 1")
    page.get_by_role("button", name="Save as a recording").click()
    page.get_by_role("link", name="Open camera 1").click()
    page.wait_for_function(SHOWS, arg=0)


def take_away_and_bring_back(walk: Walk, tmp_path: Path) -> None:
    """Everything as CSV and the new recording as ELAN; somebody else takes both: the second brings nothing new."""
    page = walk.page
    walk.go("Import and export")
    card = page.locator("section[aria-labelledby=export]")
    files = []
    for name, recording in (("segments", ""), ("elan", NEW)):
        card.get_by_label("Format").select_option(name)
        card.get_by_label("Recording").select_option(recording)
        with page.expect_download() as download:
            card.get_by_role("link", name=re.compile("^Save ")).click()
        files.append(tmp_path / download.value.suggested_filename)
        download.value.save_as(files[-1])
    page.get_by_label("I am").select_option("Somebody new …")
    page.get_by_label("Your name").fill("ben")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("added to those of ben").wait_for()
    for file, words in zip(files, (r"[1-9]\d* segments added, 0 were", r"0 segments added, 4 were"), strict=True):
        page.locator("section[aria-labelledby=import] input[type=file]").set_input_files(file)
        page.get_by_text(re.compile(words)).wait_for()
    rows = page.locator("section[aria-labelledby=agreement] tbody tr")
    rows.first.wait_for()
    assert rows.first.inner_text().split("\t")[1] == "1.00"
    walk.look("9-exchange")

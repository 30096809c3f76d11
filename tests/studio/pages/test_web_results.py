"""The studio's pages about runs and other programs' files, in a real browser on a real server."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from egoact.core.files import write_json
from tests.makers.films.media import write_video
from tests.makers.machines.browser import (
    DESKTOP,
    PHONE,
    Watched,
    faults_of_accessibility,
    watched,
)
from tests.makers.machines.studio import Client, adding, running

pytestmark = pytest.mark.slow
FOUND = {
    "ana_1": [(0, 0.52, "open", 0.9), (0.6, 1.0, "close", 0.4), (1.2, 1.6, "open", 0.7)],
    "ana_2": [(0, 1, "open", 0.95)],
}
PAGES = ("/", "/label?recording=ana_1", "/train", "/results", "/live", "/faces", "/exchange")


def write_run(folder: Path, name: str) -> None:
    """A run that has found something, as files say it."""
    config = {"task": "timeline", "segmenter": "causal", "vocabularies": {"verb": {}}}
    for recording, actions in FOUND.items():
        keys = ("start_seconds", "stop_seconds", "verb", "confidence")
        segments = [{**dict(zip(keys, action, strict=True)), "noun": None} for action in actions]
        told = {"format_version": 1, "video_id": recording, "duration_seconds": 2.0, "segments": segments}
        write_json(folder / "timelines" / name / recording / "timeline.json", told)
    write_json(folder / "runs" / name / "trained_on.json", {"training": {"ana_3": [[0, 2]]}, "chosen_on": {}})
    metrics = {"num_videos": 2, "verb": {"frame_accuracy": 71.5}}
    write_json(folder / "runs" / name / "metrics.json", metrics)
    write_json(folder / "runs" / name / "config.json", config)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Client]:
    """Three recordings of two seconds, two runs, two annotators."""
    for name in ("ana_1", "ana_2", "ana_3"):
        write_video(tmp_path / "recordings" / f"{name}.mp4", num_frames=50, rate=25, size=(180, 320))
    for run in ("run-1", "run-2"):
        write_run(tmp_path, run)
    with running(tmp_path) as client:
        for annotator in ("ana", "ben"):
            assert client.post("/api/annotators", {"name": annotator}).status == 201
        yield client


@pytest.fixture
def screen(browser: Any, studio: Client) -> Iterator[Watched]:
    with watched(browser, studio.port, accept_downloads=True) as found:
        yield found


def label_everything(studio: Client) -> None:
    for name in ("ana_1", "ana_2", "ana_3"):
        for annotator, end in (("ana", 1.0), ("ben", 1.2)):
            edits = (adding(name, 0, 0.5, "open", noun="jar"), adding(name, 0.6, end, "wash", hand="left"))
            assert studio.edit(annotator, *edits).status == 200
        change = {"is_labelled": True, "recorded_on": f"2026-01-0{name[-1]}", "participant_id": "Ana"}
        assert studio.request("PATCH", f"/api/recordings/{name}", change).status == 200


def labels_of(studio: Client) -> list[tuple[Any, ...]]:
    keys = ("recording_id", "start_seconds", "stop_seconds", "verb", "noun")
    return [tuple(each[key] for key in keys) for each in studio.get("/api/labels/ana").json["segments"]]


def decisions_of(studio: Client) -> list[str]:
    return [each["decision"] for each in studio.get("/api/runs/run-2/proposals/ana_1").json["proposals"]]


def test_proposals_are_accepted_corrected_and_rejected_by_keys(screen: Watched, studio: Client) -> None:
    page = screen.open("/label?recording=ana_1")
    page.locator(".proposals select").first.select_option("run-2")
    page.get_by_text("3 proposals open").wait_for()
    page.keyboard.press("Escape")
    page.locator("canvas.timeline").click(position={"x": 5, "y": 5})
    page.keyboard.press("a")  # goes to the first
    page.get_by_role("heading", name="Proposal, 90 % sure").wait_for()
    page.keyboard.press("a")
    page.get_by_role("heading", name="Proposal, 40 % sure").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type("shut")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Selected segment").wait_for()  # so that a noun can be typed, too
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.get_by_role("heading", name="Proposal, 70 % sure").wait_for()
    page.keyboard.press("x")
    page.get_by_text("all are decided").wait_for()
    assert decisions_of(studio) == ["accepted", "corrected", "rejected"]
    assert labels_of(studio) == [("ana_1", 0, 0.52, "open", None), ("ana_1", 0.6, 1.0, "shut", None)]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.get_by_text("2 proposals open").wait_for()
    assert decisions_of(studio) == ["accepted", "open", "open"]
    assert labels_of(studio) == [("ana_1", 0, 0.52, "open", None)]


def test_what_is_least_certain_is_listed_first(screen: Watched) -> None:
    page = screen.open("/train")
    rows = page.locator("section[aria-labelledby=least] tbody tr")
    rows.nth(1).wait_for()
    assert [row.split("\t")[0] for row in rows.all_inner_texts()] == ["ana_1", "ana_2"]
    assert page.get_by_role("button", name="Train on my labels").is_disabled(), "nothing is labelled"
    rows.first.get_by_role("link").click()
    page.locator(".bench").wait_for()
    assert page.url.endswith("/label?recording=ana_1")


def test_a_job_shows_its_progress_and_its_command_line(screen: Watched, studio: Client, tmp_path: Path) -> None:
    write_video(tmp_path / "recordings" / "old.avi", num_frames=30, rate=15, size=(96, 144), codec="mpeg4")
    page = screen.open("/")
    card = page.locator(".recording", has_text="old")
    card.get_by_role("button", name="Make a copy that they can").click()
    page.get_by_text("A copy of old for browsers: done").wait_for(timeout=60_000)
    page.get_by_role("button", name="All jobs").click()
    line = page.locator(".joblist li").first
    assert "done" in line.inner_text() and "playable" in line.locator("code").inner_text()
    page.keyboard.press("Escape")
    card.get_by_role("link", name="old").click()
    page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")


def test_a_number_opens_the_clips_behind_it(screen: Watched, studio: Client) -> None:
    label_everything(studio)
    page = screen.open("/results?run=run-1")
    matrix = page.locator("table.confusion")
    matrix.wait_for()
    assert "verb frame accuracy\t71.5" in page.locator("section[aria-labelledby=numbers]").inner_text()
    cell = matrix.get_by_role("button", name="2 open found as open")
    assert cell.inner_text().split()[0] == "2"
    cell.click()
    dialog = page.locator("dialog[open]")
    assert "labelled open, found open" in dialog.inner_text()
    page.wait_for_function("() => document.querySelector('dialog video').currentTime > 0.1")
    assert dialog.locator(".clips button").count() == 2
    page.keyboard.press("Escape")
    page.locator("section[aria-labelledby=mistakes]").get_by_role("button", name="Show").first.click()
    page.locator("dialog[open]").get_by_role("link", name="Open on the timeline").click()
    page.wait_for_function("() => document.querySelector('.bench video')?.dataset.shown > 0")


def test_the_dashboard_has_the_numbers_of_the_labels(screen: Watched, studio: Client) -> None:
    label_everything(studio)
    page = screen.open("/results")
    table = page.locator(".dashboard table").first
    table.wait_for()
    assert [line.split("\t")[0] for line in table.locator("thead tr").all_inner_texts()] == ["How often"]
    rows = {row.split("\t")[0].strip(): row.split("\t")[2:] for row in table.locator("tbody tr").all_inner_texts()}
    assert [value.strip() for value in rows["open jar"]] == ["1", "1", "1"]
    page.get_by_label("What is counted").select_option("mean")
    assert "0.5 s" in table.locator("tbody tr", has_text="open jar").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Spreadsheet (CSV)").click()
    assert "open" in Path(download.value.path()).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["segments", "elan"])
def test_what_is_exported_can_be_imported_again(screen: Watched, studio: Client, tmp_path: Path, name: str) -> None:
    if name == "elan":
        pytest.importorskip("pympi", reason="needs pympi-ling: pip install 'egoact[formats]'")
    label_everything(studio)
    before = [label for label in labels_of(studio) if label[0] == "ana_1"]
    page = screen.open("/exchange")
    card = page.locator("section[aria-labelledby=export]")
    card.get_by_label("Format").select_option(name)
    card.get_by_label("Recording").select_option("ana_1")
    with page.expect_download() as download:
        card.get_by_role("link", name=re.compile("^Save ")).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    for label in studio.get("/api/labels/ana?recording=ana_1").json["segments"]:
        studio.edit("ana", {"op": "delete", "id": label["id"], "version": label["version"]})
    page.locator("section[aria-labelledby=import] input[type=file]").set_input_files(file)
    page.get_by_text("2 segments added").wait_for()
    assert [label for label in labels_of(studio) if label[0] == "ana_1"] == before


def test_words_to_choose_from_come_from_a_file(screen: Watched, studio: Client) -> None:
    page = screen.open("/exchange")
    content = b"id,key\n0,take\n1,put\n2,wash\n"
    file = {"name": "verbs.csv", "mimeType": "text/csv", "buffer": content}
    page.locator("section[aria-labelledby=classes] input[type=file]").set_input_files(file)
    page.get_by_text("verbs.csv: kept").wait_for()
    assert {verb["name"] for verb in studio.get("/api/classes").json["verbs"]} >= {"take", "put", "wash"}
    studio.edit("ana", adding("ana_1", 0, 1, "take"))
    page = screen.open("/label?recording=ana_1")
    page.locator(".segments tbody tr").first.click()
    page.keyboard.press("Enter")
    page.keyboard.type("w")
    assert page.locator(".combobox [role=option]").first.inner_text() == "wash"


def test_two_annotators_are_compared(screen: Watched, studio: Client) -> None:
    label_everything(studio)
    page = screen.open("/exchange")
    rows = page.locator("section[aria-labelledby=agreement] tbody tr")
    rows.nth(3).wait_for()
    found = studio.get("/api/agreement?first=ana&second=ben").json["together"]
    numbers = rows.first.inner_text().split("\t")
    assert numbers[:2] == ["all together", f"{found['kappa']['verb']:.2f}"]
    assert "0.10 s" in numbers, "half of the stops are 0.2 s later"


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_pages_are_accessible_and_fit(
    browser: Any, studio: Client, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    """Long names and words, too."""
    label_everything(studio)
    long = "L" + 150 * "o" + "ng"
    shutil.copyfile(tmp_path / "recordings" / "ana_1.mp4", tmp_path / "recordings" / f"{long}.mp4")
    assert studio.edit("ana", adding("ana_1", 1.4, 1.8, 80 * "w"), adding(long, 0, 1, "open")).status == 200
    with watched(browser, studio.port, size=size, color_scheme=scheme) as screen:
        for path in PAGES:
            page = screen.open(path)
            page.locator("h1").first.wait_for(state="attached")
            page.wait_for_load_state("load")
            page.wait_for_timeout(700)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
            assert faults_of_accessibility(page) == [], path

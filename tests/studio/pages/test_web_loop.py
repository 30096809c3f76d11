"""The whole loop in a real browser: add, label, import, train, propose, correct, export. It makes pictures for docs.

    EGOACT_PICTURES=docs/images pytest -m slow tests/studio/pages/test_web_loop.py tests/studio/pages/test_web_faces.py

makes those of docs/studio.md anew, on recordings of the built-in kitchen. Without it recordings are of colours.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.makers.data.recordings import write_labels, write_recording
from tests.makers.machines.browser import DESKTOP, PICTURES, keep_picture, watched
from tests.makers.machines.studio import running

pytestmark = pytest.mark.slow
MINUTES = 60_000  # milliseconds


@dataclass
class Material:
    """Recordings with labels in a file, and one without, which is outside of the project."""

    project: Path
    labels: Path
    labelled: list[str]
    new: Path


def coloured(folder: Path) -> Material:
    names = ("k_1", "k_2")
    recordings = folder / "project" / "recordings"
    short = (5, 8)
    videos = {name: write_recording(recordings / f"{name}.mp4", seed=n, lengths=short) for n, name in enumerate(names)}
    write_recording(folder / "new" / "k_3.mp4", seed=9, lengths=short)
    labels = write_labels(folder / "labels.csv", videos)
    return Material(folder / "project", labels, list(names), folder / "new" / "k_3.mp4")


def kitchen(folder: Path) -> Material:
    from egoact.commands.data.kitchen import KitchenSettings
    from egoact.commands.data.kitchen import kitchen as render

    render(KitchenSettings(out=folder / "kitchen", videos=4))
    (folder / "kitchen_project" / "recordings").mkdir(parents=True)
    *labelled, new = sorted((folder / "kitchen" / "videos").rglob("*.MP4"))[:3]
    for path in labelled:
        path.rename(folder / "kitchen_project" / "recordings" / path.name)
    text = (folder / "kitchen" / "train.csv").read_text().splitlines()
    names = [path.stem for path in labelled]
    rows = [line for line in text[1:] if line.split(",")[2] in names]
    (folder / "labels.csv").write_text("\n".join([text[0], *rows]) + "\n")
    return Material(folder / "kitchen_project", folder / "labels.csv", names, new)


@pytest.fixture
def material(tmp_path: Path) -> Iterator[Material]:
    if not PICTURES:
        yield coloured(tmp_path)
        return
    with tempfile.TemporaryDirectory(prefix="studio_") as short:  # the first page shows this path
        yield kitchen(Path(short))


@pytest.mark.long
@pytest.mark.usefixtures("measured_engines", "forked_jobs")
def test_the_whole_loop(browser: Any, material: Material, tmp_path: Path) -> None:
    with running(material.project, max_upload_bytes=500_000_000) as studio:
        with watched(browser, studio.port, size=(1280, 800) if PICTURES else DESKTOP, accept_downloads=True) as screen:
            screen.expected.append("503 (Service Unavailable)")  # a waveform that is computed for the first time
            page = screen.open("/")
            introduce(page)
            add(page, material)
            keep_picture(page, "recordings", tmp_path)
            label_by_keys(page, material)
            keep_picture(page, "label", tmp_path)
            bring_labels(page, material)
            train_and_propose(page)
            keep_picture(page, "train", tmp_path)
            correct(page, material)
            keep_picture(page, "correct", tmp_path)
            page.goto(f"{screen.origin}/results")
            page.locator("table.confusion").wait_for()
            page.mouse.wheel(0, 330)
            keep_picture(page, "results", tmp_path)
            take_away(page, screen.origin, tmp_path)
        labels = studio.get(f"/api/labels/ana?recording={material.new.stem}").json["segments"]
        assert len(labels) >= 2, "one labelled by hand, and one that was proposed"


def introduce(page: Any) -> None:
    page.get_by_role("button", name="Say who you are").click()
    page.get_by_label("Your name").fill("ana")
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("I am").wait_for()


def add(page: Any, material: Material) -> None:
    page.locator("input[type=file]").set_input_files(material.new)
    page.locator(".recording", has_text=material.new.stem).wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('.recording img')].every((each) => each.naturalWidth)")


def label_by_keys(page: Any, material: Material) -> None:
    page.get_by_role("link", name=material.new.stem, exact=True).click()
    page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")
    keys = page.keyboard
    keys.press("i")
    for _ in range(20):
        keys.press("ArrowRight")
    keys.press("o")
    keys.press("Enter")
    keys.type("take")
    keys.press("Enter")
    keys.type("cup")
    keys.press("Enter")
    page.get_by_text("saved", exact=True).wait_for()
    assert page.locator(".segments tbody tr").count() == 1


def bring_labels(page: Any, material: Material) -> None:
    page.get_by_role("link", name="Import and export").click()
    page.locator("section[aria-labelledby=import] input[type=file]").set_input_files(material.labels)
    page.get_by_text(re.compile(r"\d+ segments added")).wait_for()
    page.get_by_role("link", name="Recordings", exact=True).click()
    for name in material.labelled:
        page.locator(".recording", has_text=name).get_by_label("everything in it is labelled").check()
    page.locator(".recording .state.labelled").nth(1).wait_for()


def train_and_propose(page: Any) -> None:
    page.get_by_role("link", name="Train and propose").click()
    page.get_by_role("button", name="Train on my labels").click()
    page.get_by_role("button", name="Propose actions").wait_for(timeout=5 * MINUTES)
    page.get_by_text("Nothing is being computed").wait_for(timeout=5 * MINUTES)
    page.get_by_role("button", name="Propose actions").click()
    page.locator("section[aria-labelledby=least] tbody tr").first.wait_for(timeout=5 * MINUTES)
    page.get_by_text("Nothing is being computed").wait_for(timeout=5 * MINUTES)


def correct(page: Any, material: Material) -> None:
    page.locator("section[aria-labelledby=least]").get_by_role("link", name=material.new.stem).click()
    page.locator(".proposals").get_by_text("open").first.wait_for()
    page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")
    page.keyboard.press("a")
    page.get_by_role("heading", name=re.compile("^Proposal")).wait_for()
    before = page.locator(".segments tbody tr").count()
    for key in ("ArrowRight", "ArrowRight", "["):  # it begins two pictures later
        page.keyboard.press(key)
    page.get_by_role("heading", name="Selected segment").wait_for()
    assert page.locator(".segments tbody tr").count() == before + 1
    page.keyboard.press("Escape")
    page.keyboard.press("a")


def take_away(page: Any, origin: str, tmp_path: Path) -> None:
    page.goto(f"{origin}/exchange")
    card = page.locator("section[aria-labelledby=export]")
    for name, beginning in (("segments", b"narration_id"), ("elan", b"PK")):
        card.get_by_label("Format").select_option(name)
        with page.expect_download() as download:
            card.get_by_role("link", name=re.compile("^Save ")).click()
        assert Path(download.value.path()).read_bytes().startswith(beginning)

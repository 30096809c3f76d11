"""The studio's page "Faces" in a real browser: what is found, what a person makes of it, and the copy."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from egoact.privacy.masks import Mask, Masks
from tests.makers.films.faces import face_place, needs_face_model, write_face_video
from tests.makers.films.media import write_video
from tests.makers.machines.browser import (
    DESKTOP,
    PHONE,
    SCREENSHOTS,
    Watched,
    faults_of_accessibility,
    keep_picture,
    watched,
)
from tests.makers.machines.studio import Client, running
from tests.privacy.test_blur import pictures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_jobs")]
NUM_FRAMES = 30


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Client]:
    """A recording as of a telephone that was held upright: its pictures lie on their side in the file."""
    write_video(tmp_path / "recordings" / "ana_1.mp4", num_frames=50, rate=25, size=(180, 320), rotation=90)
    with running(tmp_path) as client:
        yield client


def shown_boxes(page: Any) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of what is drawn over the picture, as shares of it."""
    sides = "each => ['x', 'y', 'width', 'height'].map((name) => each[name].baseVal.value)"
    found = page.locator(".review rect").evaluate_all(f"all => all.map({sides})")
    return [(x, y, x + width, y + height) for x, y, width, height in found]


def test_faces_are_reviewed_before_a_copy_is_made(screen: Watched, studio: Client, tmp_path: Path) -> None:
    beside = tmp_path / "recordings" / "ana_1_blurred.json"
    face = Mask(((0.0, (0.1, 0.1, 0.3, 0.4)), (1.0, (0.5, 0.1, 0.7, 0.4))), 0.8)
    Masks([face]).write(beside, recording="ana_1.mp4")
    page = screen.open("/")
    page.locator(".recording", has_text="ana_1").locator("summary").click()
    page.locator(".recording", has_text="ana_1").get_by_role("link", name="Copy without faces").click()
    page.get_by_role("heading", name="1 place blurred").wait_for()
    for seconds in (0.0, 0.48, 1.2):  # before, between and beyond its keyframes
        page.get_by_label("Where in the recording").fill(str(round(25 * seconds)))
        [shown] = shown_boxes(page)
        assert shown == pytest.approx(face.at(seconds), abs=1e-4)
    page.get_by_label("blur face, 80 % sure").uncheck()
    page.get_by_role("heading", name="0 places blurred").wait_for()
    page.get_by_label("Where in the recording").fill("0")
    area = page.locator(".review svg").bounding_box()
    assert area["width"] / area["height"] == pytest.approx(180 / 320, abs=0.01), "places lie over the upright picture"
    page.mouse.move(area["x"] + 0.6 * area["width"], area["y"] + 0.5 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.9 * area["width"], area["y"] + 0.9 * area["height"], steps=3)
    page.mouse.up()
    page.get_by_role("heading", name="1 place blurred").wait_for()
    page.get_by_role("button", name="Hide five seconds from here").click()
    page.get_by_label("as others will see it").check()
    page.wait_for_function("() => document.querySelector('.review img').naturalWidth === 180")
    page.get_by_role("button", name="Make the copy").click()
    page.get_by_text("A copy of ana_1 without faces: done").wait_for(timeout=60_000)
    kept = Masks.read(beside)
    assert [mask.kind for mask in kept.unmarked] == ["face"] and kept.hidden == [(0.0, 2.0)]
    assert kept.masks[0].at(0.0) == pytest.approx((0.6, 0.5, 0.9, 0.9), abs=0.01)
    assert "--masks" in studio.get("/api/jobs").json[0]["command_line"]
    assert "ana_1_blurred" in [each["id"] for each in studio.get("/api/recordings").json]
    page.get_by_role("button", name="Make the copy again").wait_for()


def test_what_somebody_else_marked_meanwhile_is_not_lost(screen: Watched, studio: Client) -> None:
    screen.expected.append("409 (Conflict)")
    page = screen.open("/faces?recording=ana_1")
    page.get_by_role("heading", name="0 places blurred").wait_for()
    place = {"kind": "screen", "score": 1, "is_blurred": True, "keyframes": [[0, 0.1, 0.1, 0.2, 0.2]]}
    path, others = "/api/recordings/ana_1/review", {"version": "", "masks": [place], "hidden": [[0, 1]]}
    assert studio.request("PUT", path, others).status == 200
    buttons = "[...document.querySelectorAll('button')].find((each) => each.textContent === 'Hide a place here')"
    page.evaluate(f"for (let n = 0; n < 3; n++) {buttons}.click()")
    page.get_by_text("somebody else changed it meanwhile").wait_for()
    page.get_by_label("blur screen").wait_for()
    page.get_by_role("button", name="Hide a place here").click()
    page.get_by_role("heading", name="2 places blurred").wait_for()
    page.wait_for_function(
        f"() => fetch('{path}').then((found) => found.json()).then(({{masks}}) => masks.length === 2)"
    )
    assert [mask["kind"] for mask in studio.get(path).json["masks"]] == ["screen", "place"]


def test_faces_are_looked_for_and_gone_in_the_copy(browser: Any, tmp_path: Path) -> None:
    """Somebody walks through the picture; the button, the list, what is drawn over the picture, and the copy."""
    detector = needs_face_model()
    recordings = tmp_path / "project" / "recordings"
    made = write_face_video(recordings / "walk.mp4", num_frames=NUM_FRAMES)
    with running(tmp_path / "project") as studio, watched(browser, studio.port) as screen:
        page = screen.open("/faces?recording=walk")
        page.get_by_text("No face is known in this recording").wait_for()
        page.get_by_role("button", name="Hide a place here").click()  # which stays when faces are found
        page.get_by_role("heading", name="1 place blurred").wait_for()
        page.get_by_role("button", name="Look for faces").click()
        page.get_by_role("heading", name="2 places blurred").wait_for(timeout=120_000)
        page.locator("label", has_text="blur place").get_by_role("checkbox").uncheck()
        page.get_by_role("heading", name="1 place blurred").wait_for()
        page.locator(".line", has_text="blur place").get_by_role("button").click()
        page.get_by_role("button", name="Delete").click()
        page.locator("label", has_text="blur place").wait_for(state="detached")
        assert page.get_by_role("button", name="Look for faces").is_disabled(), "what is corrected would be lost"
        sure = page.get_by_label(re.compile(r"blur face, \d+ % sure"))
        assert sure.is_checked() and int(re.findall(r"\d+", sure.locator("..").inner_text())[0]) >= 60
        for number in (0, 10, 20, NUM_FRAMES - 1):
            page.get_by_label("Where in the recording").fill(str(number))
            page.wait_for_function(f"() => document.querySelector('video').dataset.shown === '{number}'")
            [(left, top, right, bottom)] = shown_boxes(page)
            x, y = face_place(number, NUM_FRAMES)
            assert left < x < right and top < y < bottom and right - left < 0.3, f"picture {number}"
        page.get_by_label("Where in the recording").fill("10")
        look_at(page, "faces-found")
        page.set_viewport_size({"width": 1280, "height": 800})
        keep_picture(page, "faces", tmp_path)
        page.get_by_label("as others will see it").check()
        page.wait_for_function("() => document.querySelector('.review img')?.naturalWidth === 640")
        look_at(page, "faces-masked")
        page.get_by_role("button", name="Make the copy").click()
        page.get_by_text("A copy of walk without faces: done").wait_for(timeout=120_000)
    before, after = pictures(made), pictures(recordings / "walk_blurred.mp4")
    assert len(before) == len(after) == NUM_FRAMES
    for number in (0, 10, 20, NUM_FRAMES - 1):
        x, y = face_place(number, NUM_FRAMES)
        seen = [
            any(face.box[0] < x < face.box[2] and face.score > 0.5 for face in detector.run(each[number][1]))
            for each in (before, after)
        ]
        assert seen == [True, False], f"picture {number}"


def look_at(page: Any, name: str) -> None:
    """At both sizes nothing is wider than the screen, and axe-core finds nothing serious."""
    for size, words in ((PHONE, "phone"), (DESKTOP, "desktop")):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(300)
        if SCREENSHOTS is not None:
            page.screenshot(path=SCREENSHOTS / f"{name}-{words}.png", full_page=size == PHONE)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        assert faults_of_accessibility(page) == [], f"{name}, {words}"

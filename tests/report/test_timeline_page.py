"""The page of a timeline, in a real browser and from disk."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from egoact.core.errors import ArtifactError
from egoact.core.timelines.prediction import Prediction
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.report.comparison import write_report as write_comparison
from egoact.report.timelines.timeline import write_report, write_timeline_page
from egoact.timelines.comparison import compare_timeline_files
from egoact.timelines.output import relative_path
from tests.makers.films.media import write_video
from tests.makers.machines.browser import chromium

SEGMENTS = (
    TimelineSegment(1.0, 2.5, "open", "fridge", 0.95),
    TimelineSegment(3.0, 4.0, "take", "milk", 0.55),
    TimelineSegment(4.0, 5.5, "close", "fridge", 0.8),
    TimelineSegment(7.0, 9.0, "open", "<b>jar</b>", 0.3),
)
ORIGIN = {"head": "difference", "backbone": "b", "steps_per_second": 8, "calibrated": True}
LEFT = {"share_of_time": 0.25, "mean_duration_seconds": 1.2, "interactions_per_hour": 720.0, "num_interactions": 2}
RIGHT = {"share_of_time": 0.0, "mean_duration_seconds": None, "interactions_per_hour": 0.0, "num_interactions": 0}
HANDS = {
    "left": LEFT | {"interactions": [[1.0, 2.5], [3.0, 4.0]]},
    "right": RIGHT,
    "hand_use_ratio": None,
    "steps_without_hands_share": 0.1,
}


def write_timeline(
    folder: Path, video: Path, *, broken: str | None = None, segments: tuple[TimelineSegment, ...] = SEGMENTS
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    timeline = Timeline("kitchen 1", segments, 10.0)
    prediction = Prediction(timeline, ("verb", "noun"), ({},) * len(segments), broken, hands=HANDS)
    path = relative_path(video, folder)
    (folder / "timeline.json").write_text(prediction.to_json(video_path=path, origin=ORIGIN), encoding="utf-8")
    return write_timeline_page(folder)


def test_the_page_needs_no_other_file_and_escapes_names(tmp_path: Path) -> None:
    page = write_timeline(tmp_path / "out", tmp_path / "a & b" / "x#1.mp4", broken="at 3 s: <damaged>").read_text()
    assert 'src="../a%20%26%20b/x%231.mp4"' in page
    assert "<b>jar" not in page and "at 3 s: &lt;damaged&gt;" in page
    assert "http://" not in page and "https://" not in page
    assert not re.search(r"\bimport\b", page), "neither of styles nor of scripts; !important is no import"
    with pytest.raises(ArtifactError, match="No such file"):
        write_report(SimpleNamespace(video=tmp_path / "x.mp4", out=tmp_path))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page, opened from disk; nothing may go wrong in it, and nothing but files may be asked for."""
    video = write_video(tmp_path / "my videos" / "kitchen 1.mp4", num_frames=100, rate=10, size=(96, 144))
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("requestfailed", lambda request: problems.append(f"{request.url}: {request.failure}"))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(write_timeline(tmp_path / "out", video).as_uri())
    page.wait_for_function("document.getElementById('video').readyState >= 2")
    yield page
    assert problems == []
    page.close()


def current_time(page: Any) -> float:
    page.wait_for_function("!document.getElementById('video').seeking")
    return page.evaluate("document.getElementById('video').currentTime")


@pytest.mark.slow
def test_clicks_seek(page: Any) -> None:
    assert page.evaluate("document.getElementById('video').duration") == pytest.approx(10, abs=0.2)
    assert not page.locator("#unplayable").is_visible()
    page.locator("section[aria-label='verbs over time'] button[data-number='2']").click()
    assert current_time(page) == 4.0
    assert page.locator("#now").inner_text() == "close fridge (80 %)"
    assert page.locator("#list tr.current").inner_text().split()[1:3] == ["close", "fridge"]
    page.locator("#list button").nth(3).click()
    assert current_time(page) == 7.0
    assert page.locator("#now").inner_text() == "open <b>jar</b> (30 %)"
    nouns = page.locator("section[aria-label='nouns over time'] .inner")
    nouns.click(position={"x": nouns.bounding_box()["width"] * 0.6, "y": 10})  # between two actions
    assert current_time(page) == pytest.approx(6.0, abs=0.05)
    assert page.locator("#now").inner_text() == "no action"


@pytest.mark.slow
def test_the_filter_hides_unsure_actions_everywhere(page: Any) -> None:
    bars = page.locator(".lane button:visible")
    assert bars.count() == 8
    assert not page.locator("#totals").is_visible(), "without a filter the statistics say it"
    page.locator("#confidence").evaluate("e => { e.value = 60; e.dispatchEvent(new Event('input')); }")
    assert bars.count() == 4
    assert page.locator("#shown").inner_text() == "2 of 4 actions"
    assert page.locator("#list tbody tr:visible").count() == 2
    assert sorted(page.locator("#totals tbody tr").all_inner_texts()) == [
        "close fridge\t1\t1.5\t1.5",
        "open fridge\t1\t1.5\t1.5",
    ]
    page.locator("#totals tbody tr").last.locator("button").nth(1).click()
    assert page.locator("#totals .clip").all_inner_texts() == ["0:01.0 – 0:02.5 1.5 s"]


def numbers_of(page: Any, name: str) -> list[str]:
    row = page.locator("table[data-kind='action'] tbody tr", has=page.get_by_role("button", name=name, exact=True))
    return row.locator("td").all_inner_texts()


@pytest.mark.slow
def test_every_number_is_that_of_the_file_and_lists_its_clips(page: Any) -> None:
    assert page.locator("#overall td").all_inner_texts() == ["4", "6.0", "60.0 %", "2", "2.0", "1.0"]
    assert numbers_of(page, "open fridge") == [
        "open fridge",
        "1",
        "360.0",
        "1.5",
        "1.5",
        "1.5",
        "15.0 %",
        "–",
        "1",
        "–",
    ]
    verbs = page.locator("table[data-kind='verb'] tbody tr")
    assert verbs.first.locator("td").all_inner_texts() == [
        "open", "2", "720.0", "3.5", "1.8", "1.8", "35.0 %", "4.5", "1", "–",
    ]  # fmt: skip
    verbs.first.get_by_role("button", name="open", exact=True).click()
    clips = page.locator("tr.detail .clip")
    assert clips.all_inner_texts() == ["play all", "0:01.0 – 0:02.5 1.5 s", "0:07.0 – 0:09.0 2.0 s"]
    verbs.first.locator("button").nth(4).click()  # the mean
    assert clips.all_inner_texts() == ["play all", "0:07.0 – 0:09.0 2.0 s", "0:01.0 – 0:02.5 1.5 s"]
    verbs.first.locator("button").nth(7).click()  # the gap
    assert clips.all_inner_texts() == ["0:02.5 – 0:07.0 4.5 s"]
    verbs.first.locator("button").nth(7).click()
    assert clips.count() == 0
    page.locator("#transitions tbody tr").nth(1).locator("button").click()
    assert clips.all_inner_texts() == ["0:01.0 – 0:04.0 3.0 s"], "from the start of one to the stop of the next"
    page.locator("#overall button").nth(4).click()
    assert clips.all_inner_texts()[:3] == ["play all", "0:05.5 – 0:07.0 1.5 s", "0:02.5 – 0:03.0 0.5 s"]


@pytest.mark.slow
def test_numbers_of_a_hand_list_its_interactions(page: Any) -> None:
    rows = page.locator("#hands tbody tr")
    assert [row.split("\t") for row in rows.all_inner_texts()] == [
        ["Share of time in interaction", "25.0 %", "0.0 %"],
        ["Mean duration, s", "1.2", "–"],
        ["Interactions an hour", "720.0", "0.0"],
        ["Interactions", "2", "0"],
    ]
    assert rows.locator("button").count() == 4, "of the left hand: the right one did nothing"
    rows.first.locator("button").click()
    assert page.locator("tr.detail .clip").all_inner_texts()[1:] == ["0:01.0 – 0:02.5 1.5 s", "0:03.0 – 0:04.0 1.0 s"]
    assert page.get_by_text("Hand-use ratio –; no hand was found in 10.0 % of the pictures.").count() == 1


RECORD = """() => {
  window.times = [];
  const note = () => {
    const video = document.getElementById('video');
    if (!video.paused && !video.seeking) window.times.push(video.currentTime);
    requestAnimationFrame(note);
  };
  note();
}"""


@pytest.mark.slow
def test_a_click_plays_just_that_stretch(page: Any) -> None:
    page.evaluate(RECORD)
    row = page.locator(
        "table[data-kind='action'] tbody tr", has=page.get_by_role("button", name="take milk", exact=True)
    )
    row.locator("button").nth(1).click()
    clip = page.locator("tr.detail .clip")
    clip.click()
    assert "playing" in clip.get_attribute("class")
    page.wait_for_function("!document.querySelector('.playing') && document.getElementById('video').paused")
    times = page.evaluate("window.times")
    assert times and min(times) >= 3.0 and max(times) < 4.2
    assert 3.8 < current_time(page) < 4.0, "it stays on the last picture of it"
    page.wait_for_function("document.getElementById('now').textContent === 'take milk (55 %)'")
    page.locator("table[data-kind='verb'] tbody tr").first.get_by_role("button", name="open", exact=True).click()
    page.evaluate("window.times.length = 0")
    page.locator("tr.detail .all").click()
    page.wait_for_function("!document.querySelector('.playing') && document.getElementById('video').paused")
    times = page.evaluate("window.times")
    assert all(1 <= t < 2.8 or 7 <= t < 9.3 for t in times) and min(times) < 2.5 and max(times) > 7
    page.locator("tr.detail .clip").nth(2).click()
    page.locator("#list button").nth(1).click()  # somebody goes elsewhere, and nothing stops them there
    assert page.locator(".playing").count() == 0
    page.wait_for_function("document.getElementById('video').currentTime > 4.5")


@pytest.mark.slow
def test_clips_of_two_timelines_play_beside_their_numbers(browser: Any, tmp_path: Path) -> None:
    for name, frames in (("a", 100), ("b", 120)):
        video = write_video(tmp_path / "videos" / f"{name} #1.mp4", num_frames=frames, rate=10, size=(96, 144))
        write_timeline(tmp_path / name, video)
    settings = SimpleNamespace(out=tmp_path / "out")
    files = {"json_name": "comparison.json", "table_name": "comparison.csv", "num_draws": 50, "seed": 0}
    compare_timeline_files(tmp_path / "a", tmp_path / "b", out=settings.out, **files)  # type: ignore[arg-type]
    write_comparison(settings)
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    page.goto((settings.out / "comparison.html").as_uri())
    assert not page.locator("#player").is_visible() and page.locator("table b").count() == 0
    row = page.locator("table[data-kind='verb'] tbody tr", has=page.get_by_text("open", exact=True))
    for side, seconds in ((1, 12), (0, 10)):
        row.locator("button").nth(side).click()
        page.locator("tr.detail .clip").nth(2).click()
        page.wait_for_function("document.getElementById('video').currentTime > 7")
        assert page.evaluate("document.getElementById('video').duration") == pytest.approx(seconds, abs=0.2)
        page.wait_for_function("document.getElementById('video').paused")
        assert current_time(page) == pytest.approx(9.0, abs=0.1)
        assert page.locator("#now").inner_text() == "kitchen 1"
    hand = page.locator("table[data-kind='hand'] tbody tr").first
    hand.locator("button").nth(1).click()
    page.locator("tr.detail .clip").last.click()
    page.wait_for_function("!document.querySelector('.playing') && document.getElementById('video').paused")
    assert current_time(page) == pytest.approx(4.0, abs=0.1), "the second interaction of the left hand in B"
    assert page.evaluate("document.getElementById('video').duration") == pytest.approx(12, abs=0.2)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert problems == []
    page.close()


@pytest.mark.slow
def test_the_keyboard_does_all_that_the_mouse_does(page: Any) -> None:
    first = page.locator("section[aria-label='verbs over time'] button[tabindex='0']")
    first.focus()
    assert first.get_attribute("aria-label").startswith("close fridge, 0:04.0")
    page.keyboard.press("ArrowDown")  # the row of "open", its nearest action
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert current_time(page) == 7.0
    page.keyboard.press("Tab")
    focused = "document.activeElement.closest('section').getAttribute('aria-label')"
    assert page.evaluate(focused) == "nouns over time"
    page.locator("#confidence").focus()
    page.keyboard.press("End")
    assert page.locator("#shown").inner_text() == "0 of 4 actions"
    page.locator("h1").click()
    page.keyboard.press("Space")
    page.wait_for_function("!document.getElementById('video').paused")


@pytest.mark.slow
def test_it_fits_a_phone_and_zooms(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1100, "height": 900})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.locator("#video").bounding_box()["y"] == pytest.approx(8, abs=1), "the video stays in sight"
    assert page.evaluate("[...document.querySelectorAll('.head')].length") == 2


@pytest.mark.slow
def test_a_video_that_is_gone_is_said(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(write_timeline(tmp_path, tmp_path / "gone.mp4").as_uri())
    page.locator("#unplayable").wait_for(state="visible", timeout=5000)
    assert "gone.mp4" in page.locator("#unplayable").inner_text()
    page.close()


@pytest.mark.slow
def test_a_recording_without_actions_has_a_video_its_hands_and_one_sentence(browser: Any, tmp_path: Path) -> None:
    video = write_video(tmp_path / "kitchen 1.mp4", num_frames=20, rate=10, size=(96, 144))
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(write_timeline(tmp_path / "out", video, segments=()).as_uri())
    page.wait_for_function("document.getElementById('video').readyState >= 2")
    assert (
        page.locator("#video").is_visible() and page.get_by_text("There are no actions in this timeline.").is_visible()
    )
    assert page.locator("h2:visible, input:visible, .chart:visible, kbd:visible").count() == 0
    assert [table.get_attribute("id") for table in page.locator("table:visible").all()] == ["hands"]
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('video').currentTime > 0")
    assert problems == []
    page.close()

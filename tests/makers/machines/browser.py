"""A real browser on the studio's pages, in which nothing may go wrong."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest

from tests.makers.machines.places import ROOT

# The address bar's list is a page of its own, in a process of its own for each window, which nobody sees here.
UNWANTED = "WebUIOmniboxPopup,WebUIOmniboxFullPopup,WebUIOmniboxAimPopup"
# Chromium takes the last such list alone, so that of Playwright comes again.
UNWANTED += ",AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,LensOverlay,MediaRouter"
UNWANTED += ",HttpsFirstBalancedModeAutoEnable,PaintHolding,ThirdPartyStoragePartitioning,OptimizationHints,AimEnabled"
UNWANTED += ",AvoidCorsURLLoaderRestartOnRedirect,NetworkTimeServiceQuerying,PreconnectToSearch"
FLAGS = [
    f"--disable-features={UNWANTED}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP, PHONE = (1440, 900), (390, 844)
PICTURES = os.environ.get("EGOACT_PICTURES")
"""Where pictures of documents are made anew, from the repository's root."""
SCREENSHOTS = Path(os.environ["EGOACT_SCREENSHOTS"]) if "EGOACT_SCREENSHOTS" in os.environ else None
"""Where somebody wants to see what pages looked like in tests."""
_SERIOUS = """() => axe.run(document, {
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] },
  resultTypes: ["violations"],
}).then(({ violations }) =>
  violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`)
)"""
_running: Any = None


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """Debian's chromium, driven by Playwright; skips where one of them is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'egoact[test]'")
    path = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs the program chromium: apt-get install chromium")
    with _driver(sync_api) as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@contextmanager
def _driver(sync_api: Any) -> Iterator[Any]:
    """Playwright, of which there may be one a process: what asks for it while it runs has the same."""
    global _running
    if _running is not None:
        yield _running
        return
    with sync_api.sync_playwright() as _running:
        try:
            yield _running
        finally:
            _running = None


def write_camera(path: Path, pictures: Iterable[av.VideoFrame], *, rate: int) -> Path:
    """A film as YUV4MPEG2, which Chromium's fake camera plays again and again; 320 x 240."""
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F%d:1 Ip A1:1 C420jpeg\n" % rate)
        for picture in pictures:
            file.write(b"FRAME\n" + picture.reformat(320, 240, format="yuv420p").to_ndarray().tobytes())
    return path


def fake_camera(film: Path) -> tuple[str, ...]:
    """Flags of a browser whose camera shows a film."""
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    return (*flags, f"--use-file-for-fake-video-capture={film}")


@dataclass
class Watched:
    """A page whose faults are kept, and whose requests all go to the studio."""

    page: Any
    origin: str
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of messages that a test provokes."""

    def open(self, path: str) -> Any:
        self.page.goto(self.origin + path)
        return self.page


@contextmanager
def watched(browser: Any, port: int, *, size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Watched]:
    """A page; nothing may have gone wrong in it at the end."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    page.set_default_timeout(60_000)  # where many share few cores
    found = Watched(page, f"http://127.0.0.1:{port}")
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("console", lambda said: found.problems.append(_words(said)) if said.type in ("error", "warning") else None)
    page.on("request", lambda request: _check_origin(found, request.url))
    yield found
    problems = [line for line in found.problems if not any(part in line for part in found.expected)]
    problems = [
        line for line in problems if not ("503 (Service Unavailable)" in line and "/waveform?" in line)
    ]  # not yet
    assert not problems, "\n".join(problems)
    context.close()


def _words(said: Any) -> str:
    return f"{said.text} {said.location.get('url', '')}"


def _check_origin(found: Watched, url: str) -> None:
    if not url.startswith((found.origin, "blob:", "data:")):
        found.problems.append(f"asks for {url}")


def faults_of_accessibility(page: Any) -> list[str]:
    """Serious and critical findings of axe-core, WCAG 2 A and AA; skips where it is not installed."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: cd web && npm ci")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return list(page.evaluate(_SERIOUS))


def keep_picture(page: Any, name: str, folder: Path) -> None:
    """What a page looks like, for documents if `PICTURES` says where; else in a folder of the test."""
    page.locator(".notice button").evaluate_all("all => all.forEach((close) => close.click())")
    page.wait_for_timeout(400)
    path = (ROOT / PICTURES if PICTURES else folder) / f"studio-{name}.jpg"
    page.screenshot(path=path, type="jpeg", quality=60)
    assert path.stat().st_size < 150_000, "pictures of documents stay small"

"""How quick are the studio's pages? The first page, the timeline of a long recording, a step from picture to picture.

    python benchmarks/studio.py --folder /tmp/studio-bench

Makes a project there (kept for the next time): twelve short recordings, one of two hours with 3,000 labelled segments,
and one of 1920 x 1080 at 30 pictures a second with B-frames. Needs the extras studio and test, and chromium.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.sync_api import sync_playwright

NUM_SEGMENTS = 3000
HOURS = 2
VERBS = ("take", "put", "open", "close", "wash", "cut", "stir", "pour")
NOUNS = ("cup", "plate", "knife", "fridge", "tap", "onion")

SCROLL = """(way) => new Promise((done) => {
  const canvas = document.querySelector("canvas.timeline"), times = [];
  const wheel = (options) => canvas.dispatchEvent(new WheelEvent("wheel", { cancelable: true, ...options }));
  let number = 0;
  const tick = (now) => {
    times.push(now);
    if (times.length > 240) return done(times);
    if (way === "pan") wheel({ deltaY: number % 120 < 60 ? 40 : -40, shiftKey: true });
    else wheel({ deltaY: number % 120 < 60 ? 25 : -25, clientX: canvas.getBoundingClientRect().x + 500 });
    number += 1;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})"""

STEP = """(key) => new Promise((done, fail) => {
  const video = document.querySelector("video"), before = video.dataset.shown, begin = performance.now();
  const watch = new MutationObserver(() => {
    if (video.dataset.shown === before) return;
    watch.disconnect();
    done(performance.now() - begin);
  });
  watch.observe(video, { attributes: true, attributeFilter: ["data-shown"] });
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  setTimeout(() => fail(new Error(`no picture after ${before}`)), 10000);
})"""


def write_video(path: Path, *, size: tuple[int, int], rate: int, num_frames: int, b_frames: int = 0) -> None:
    """A textured picture that moves."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    image = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    unfinished = path.with_suffix(".part.mp4")
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 30, b_frames
        stream.options = {"preset": "veryfast", "crf": "23"}
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 4 * (number % 1000), axis=1), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    unfinished.replace(path)


def make_project(folder: Path) -> None:
    """Recordings, and the labels of the long one."""
    recordings = folder / "recordings"
    for number in range(12):
        write_video(recordings / f"short_{number:02d}.mp4", size=(360, 640), rate=25, num_frames=50)
    write_video(recordings / "long.mp4", size=(64, 96), rate=10, num_frames=HOURS * 3600 * 10)
    write_video(recordings / "hd.mp4", size=(1080, 1920), rate=30, num_frames=240, b_frames=2)
    path = folder / "labels" / "ana.csv"
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    starts = np.sort(random.uniform(0, HOURS * 3600 - 6, NUM_SEGMENTS))
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["segment_id", "video_id", "start_seconds", "stop_seconds", "verb", "noun"])
        for number, start in enumerate(starts):
            stop = start + random.uniform(0.5, 5)
            rows.writerow([number, "long", f"{start:.2f}", f"{stop:.2f}", random.choice(VERBS), random.choice(NOUNS)])


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """The server in a process of its own; its address."""
    words = [sys.executable, "-m", "egoact", "studio", str(folder), "--port", "0", "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the server did not start"
        yield found[0].rstrip("/")
    finally:
        process.terminate()
        process.wait()


EDIT = """() => new Promise((done) => {
  const begin = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "h", bubbles: true, cancelable: true }));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
})"""


def wait_for(address: str) -> None:
    """Until the server has computed what it computes once."""
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                json.load(answer)
            return
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(1)


def spread(values: list[float], unit: str = "ms") -> str:
    """Median and 95th percentile."""
    return f"median {np.median(values):.1f} {unit}, 95 % below {np.percentile(values, 95):.1f} {unit} ({len(values)})"


def first_page(browser: Any, address: str) -> tuple[float, float]:
    """Milliseconds from the request to the list of recordings, and to all of their thumbnails, with an empty cache."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    listed = "() => document.querySelector('.recording') && performance.now()"
    complete = """() => [...document.querySelectorAll(".recording img")].every((each) => each.naturalWidth)
        && performance.now()"""
    times = [page.wait_for_function(shown, polling=5).json_value() for shown in (listed, complete)]
    page.close()
    return times[0], times[1]


def timeline(page: Any, address: str) -> None:
    """Scroll and zoom, the whole recording and parts of it in view."""
    page.goto(f"{address}/label?recording=long")
    page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")
    page.wait_for_timeout(3000)
    for words, zooms in (("2 h", 0), ("80 min", 1), ("10 min", 6), ("1 min", 12)):
        page.keyboard.press("0")
        for _ in range(zooms):
            page.keyboard.press("+")
        for way in ("pan", "zoom") if zooms else ("zoom",):  # there is nowhere to go where all is in view
            intervals = np.diff(page.evaluate(SCROLL, way))
            rate = 1000 / float(np.mean(intervals))
            print(f"timeline, {words} in view, {way}: {rate:.1f} frames/s; {spread(list(intervals))}", flush=True)


def editing(page: Any) -> None:
    """Milliseconds from a key that changes one of 3,000 segments to the timeline and the list that show it."""
    page.keyboard.press("PageDown")
    times = []
    for _ in range(20):
        times.append(page.evaluate(EDIT))
        page.wait_for_timeout(300)
    print(f"an edit among {NUM_SEGMENTS} segments, drawn: {spread(times)}", flush=True)


def stepping(page: Any, address: str, folder: Path) -> None:
    """Milliseconds from a key to the picture on the screen, in the recording itself and in its quick copy."""
    (folder / "studio" / "quick" / "hd.mp4").unlink(missing_ok=True)
    page.route("**/api/jobs", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    steps(page, address, "the recording itself")
    page.unroute("**/api/jobs")
    page.goto(f"{address}/label?recording=hd")
    page.wait_for_function("() => document.querySelector('video')?.src.includes('is_quick')", timeout=300_000)
    steps(page, address, "its quick copy")


def steps(page: Any, address: str, words: str) -> None:
    """Sixty on and sixty back."""
    page.goto(f"{address}/label?recording=hd")
    page.wait_for_function("() => document.querySelector('video')?.dataset.shown === '0'")
    page.wait_for_timeout(1500)
    for key, way in (("ArrowRight", "on"), ("ArrowLeft", "back")):
        times = [page.evaluate(STEP, key) for _ in range(60)]
        print(f"a picture {way}, 1920 x 1080, {words}: {spread(times)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    make_project(folder)
    with studio(folder) as address, sync_playwright() as playwright:
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        first_page(browser, address)  # makes the thumbnails
        times = [first_page(browser, address) for _ in range(9)]
        print(f"first page, list of 14 recordings: {spread([listed for listed, _ in times])}")
        print(f"first page, with all thumbnails: {spread([complete for _, complete in times])}")
        wait_for(f"{address}/api/recordings/long/waveform")
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        timeline(page, address)
        editing(page)
        stepping(page, address, folder)
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")
        browser.close()


if __name__ == "__main__":
    main()

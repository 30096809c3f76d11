"""The page of `egoact export --format web` in headless Chromium on one core, against the same export in Python.

    egoact export --run run --segments labels.csv --media videos --format web --out page
    python -m benchmarks.web_page --page page --video new.mp4 --picture page.jpg

Both are given the same pictures of a recording, so both see the same pixels. Then the page is opened anew, in the size
of a telephone, with a camera that plays the recording.
"""

import argparse
import base64
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

from egoact.export.web_server import open_server
from egoact.live.streaming import open_run_stream
from egoact.runs.loading import load_run
from tests.export.test_web import ASK
from tests.makers.machines.browser import PHONE, chromium, fake_camera, write_camera

RATE = 15
TIMED = """async (pictures) => {
  const begun = performance.now();
  const answers = await (ASK)(pictures);
  return [answers, (performance.now() - begun) / 1000];
}""".replace("ASK", ASK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, required=True, help="folder of the export")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=300, help="how many, 15 a second")
    parser.add_argument("--backend", default="wasm", choices=("wasm", "auto"))
    parser.add_argument("--picture", type=Path, help="file for a picture of the page")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # processes that are started inherit it
    frames = read_pictures(chosen.video, chosen.pictures, load_run(chosen.page).backbones[0].input_size)
    seconds = np.arange(len(frames)) / RATE
    expected = python_answers(chosen.page, frames, seconds)
    with open_server(chosen.page, 0) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        compare(address, chosen.backend, frames, seconds, expected)
        with av.open(str(chosen.video)) as container:
            pictures = [frame for _, frame in zip(range(20 * RATE), container.decode(video=0), strict=False)]
        film = write_camera(Path(folder) / "film.y4m", pictures, rate=30)
        watch(address, chosen.backend, film, chosen.picture)
        server.shutdown()


def read_pictures(video: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 (N, H, W, 3): every other picture."""
    with av.open(str(video)) as container:
        every = (frame for i, frame in enumerate(container.decode(video=0)) if i % 2 == 0)
        some = (frame.reformat(size[1], size[0], format="rgb24") for _, frame in zip(range(count), every, strict=False))
        return np.stack([frame.to_ndarray() for frame in some])


def python_answers(page: Path, frames: np.ndarray, seconds: np.ndarray) -> list[dict[str, np.ndarray] | None]:
    """What the export says in Python, and how long it takes for it."""
    stream = open_run_stream(load_run(page))
    begun, cpu = time.perf_counter(), time.process_time()
    said = [stream.push(*each) for each in zip(frames, seconds.tolist(), strict=True)]
    tell("python", len(frames), time.perf_counter() - begun, time.process_time() - cpu)
    return [None if each is None else dict(each.probabilities) for each in said]


def compare(address: str, backend: str, frames: np.ndarray, seconds: np.ndarray, expected: list) -> None:
    """Give the page the same pictures."""
    with chromium() as browser:
        page = browser.new_page()
        begun = time.perf_counter()
        page.goto(f"{address}?pictures&backend={backend}")
        page.locator("html[data-backend]").wait_for(state="attached", timeout=120_000)
        found_backend = page.evaluate("document.documentElement.dataset.backend")
        print(f"{found_backend}: ready {time.perf_counter() - begun:.1f} s after opening")
        given = [(base64.b64encode(each.tobytes()).decode(), at) for each, at in zip(frames, seconds, strict=True)]
        page.evaluate(ASK, given[:20])
        cpu = cpu_of_children()
        found, took = page.evaluate(TIMED, given)
        tell(found_backend, len(frames), took, cpu_of_children() - cpu)
    pairs = [(each["shares"], theirs) for each, theirs in zip(found, expected, strict=True) if theirs is not None]
    for target in pairs[0][1]:
        ours, theirs = (np.array([pair[k][target] for pair in pairs]) for k in (0, 1))
        same, most = (ours.argmax(1) == theirs.argmax(1)).mean(), np.abs(ours - theirs).max()
        print(f"{target}: same class for {same:.1%} of {len(pairs)} answers, probabilities within {most:.1g}")


def tell(name: str, count: int, seconds: float, cpu_seconds: float) -> None:
    """Others share the machine: CPU time is what one free core would take."""
    print(f"{name}: {count / seconds:.1f} answers/s, {count / cpu_seconds:.1f} a second of CPU time")


def cpu_of_children() -> float:
    """CPU time of all processes that this one started and that are still there, seconds (Linux)."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], ticks[pid] = int(words[1]), int(words[11]) + int(words[12])
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks[pid] for pid in mine - {os.getpid()}) / os.sysconf("SC_CLK_TCK")


def watch(address: str, backend: str, film: Path, picture: Path | None) -> None:
    """Open the page with a camera."""
    with chromium(*fake_camera(film)) as browser:
        context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, permissions=["camera"])
        page = context.new_page()
        begun, cpu = time.perf_counter(), cpu_of_children()
        page.goto(f"{address}?backend={backend}")
        page.locator("#best li").first.wait_for(timeout=120_000)
        seconds, cpu = time.perf_counter() - begun, cpu_of_children() - cpu
        print(f"camera: first answer {seconds:.1f} s after opening, of which {cpu:.1f} s of CPU time")
        page.wait_for_timeout(5000)
        print(f"camera: {page.locator('#numbers').inner_text()}")
        if picture is not None:
            page.screenshot(path=picture, type="jpeg", quality=70)


if __name__ == "__main__":
    main()

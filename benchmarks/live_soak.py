"""A long run of `egoact live`: does it fall behind, does it grow? Latency and memory over time.

    python benchmarks/live_soak.py --video kitchen.mp4 --run run --frames 20000

    python benchmarks/live_soak.py --video kitchen.mp4 --run run --frames 10000 --rate 15

The second takes 11 minutes, too; --run is of egoact train, or of egoact train-timeline --segmenter causal.

Repeats the pictures of a video until there are enough, at 30 a second, without encoding them anew; plays that file in
real time, and reads memory once a second. 20,000 frames take 11 minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

NUM_PARTS = 10


def repeat_video(source: Path, target: Path, *, num_frames: int, rate: int) -> None:
    """The packets of a video over and over, with new timestamps."""
    packets: list[tuple[bytes, int, int, bool]] = []
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        step = round(1 / (stream.average_rate * stream.time_base))
        for packet in container.demux(stream):
            if packet.size:
                packets.append((bytes(packet), packet.pts // step, packet.dts // step, packet.is_keyframe))
        first = min(dts for _, _, dts, _ in packets)
        with av.open(str(target), "w") as output:
            copied = output.add_stream_from_template(stream)
            copied.time_base = Fraction(1, rate)
            for number in range(num_frames):
                content, pts, dts, is_key = packets[number % len(packets)]
                shift = number // len(packets) * len(packets) - first
                packet = av.Packet(content)
                packet.stream, packet.time_base = copied, Fraction(1, rate)
                packet.pts, packet.dts, packet.is_keyframe = pts + shift, dts + shift, is_key
                output.mux(packet)


def memory_megabytes(process: int) -> float:
    """Resident memory, as Linux counts it."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def soak(film: Path, run: Path, lines: Path, *, flags: list[str]) -> list[tuple[float, float, float]]:
    """Play it; (time, megabytes, load of the machine) once a second, as long as it lives."""
    command = [sys.executable, "-m", "egoact", "live", "--run", str(run), "--source", str(film)]
    process = subprocess.Popen([*command, "--jsonl", str(lines), *flags], stdout=subprocess.DEVNULL)
    memory = []
    while process.poll() is None:
        memory.append((time.time(), memory_megabytes(process.pid), os.getloadavg()[0]))
        time.sleep(1)
    if process.returncode:
        raise SystemExit(f"egoact live ended with {process.returncode}")
    return [(at, used, load) for at, used, load in memory if used == used]


def report(predictions: list[dict], memory: list[tuple[float, float, float]]) -> None:
    at, age = (np.array([prediction[key] for prediction in predictions]) for key in ("time", "age_ms"))
    replaced = 1000 * np.diff(at) + age[:-1]  # how old each was when the next one came
    frames = np.array([prediction["frames_taken"] for prediction in predictions])
    seen, used, load = (np.array(column) for column in zip(*memory, strict=True))
    print("| frames | predictions/s | age ms, median | age ms, 99 % | when replaced ms, 99 % | memory MB | load |")
    print("|---|---|---|---|---|---|---|")
    edges = np.linspace(at[0], at[-1], NUM_PARTS + 1)
    for start, stop in zip(edges, edges[1:], strict=False):
        part = (at >= start) & (at <= stop)
        during = (seen >= start) & (seen <= stop)
        print(
            f"| {frames[part][-1]} | {part.sum() / (stop - start):.1f} | {np.median(age[part]):.0f} "
            f"| {np.percentile(age[part], 99):.0f} | {np.percentile(replaced[part[:-1]], 99):.0f} "
            f"| {np.median(used[during]):.0f} | {load[during].mean():.1f} |"
        )
    settled = used[(seen >= edges[1]) & (seen <= edges[-1])]
    print(
        f"\n{frames[-1]} frames, {len(predictions)} predictions; age when given: median {np.median(age):.0f} ms, 99 % "
        f"{np.percentile(age, 99):.0f} ms, worst {age.max():.0f} ms; when replaced: 99 % "
        f"{np.percentile(replaced, 99):.0f} ms; memory after the first tenth: {settled.min():.0f} to "
        f"{settled.max():.0f} MB, from {settled[:30].mean():.0f} to {settled[-30:].mean():.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True, help="any video whose packets can be repeated")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=30)
    known, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        film, lines = Path(folder, "film.mp4"), Path(folder, "predictions.jsonl")
        repeat_video(known.video, film, num_frames=known.frames, rate=known.rate)
        memory = soak(film, known.run, lines, flags=flags)
        report([json.loads(line) for line in lines.read_text().splitlines()], memory)


if __name__ == "__main__":
    main()

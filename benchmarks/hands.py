"""How well hands are found and named, how much of their use the measures see, and how fast: on real recordings.

    python benchmarks/hands.py --data FOLDER [--hand-model FILE] [--rates 4 8]

FOLDER holds `segments.csv` and `videos/` of GTEA. `gtea_hands.csv`, beside this script, says of 80 pictures, drawn at
random from 16 equal parts of each recording before anything was measured, and looked at one by one, which hands are in
them and which of these touch something; empty where one cannot tell. The actions are those of the labels, not a run's:
what is measured is the hands.
"""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from egoact.core.machine import describe_machine
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.hands import HandTracks, measure_hand_use
from egoact.core.timelines.statistics import SIDES
from egoact.engines.hands import HandDetector
from egoact.extraction.recordings import HandPass, aspect_ratio_of
from egoact.media.recording import read_steps
from egoact.media.sources import MediaSource
from egoact.timelines.output import find_videos

LABELS = Path(__file__).with_name("gtea_hands.csv")
LABEL_RATE = 4
SIZE = (256, 256)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with segments.csv and videos/."""
    hand_model: Path | None = None
    """As in egoact predict."""
    rates: tuple[int, ...] = (4, 8)
    """Steps a second."""


def find_hands(path: Path, detector: HandDetector, rate: int) -> tuple[HandTracks, np.ndarray, int]:
    """Both hands in a recording, seconds that it took by clock and processor, and pictures with any palm of 0.5."""
    source = MediaSource(path.stem, path, "video")
    hands = HandPass(detector, aspect_ratio=aspect_ratio_of(source))
    frames, counts = zip(*read_steps(source, rate=rate, size=SIZE), strict=True)
    pictures, begun = np.stack(frames), np.array([time.perf_counter(), time.process_time()])
    hands.add(pictures, np.array(counts))
    seconds = np.array([time.perf_counter(), time.process_time()]) - begun
    found = detector.run(pictures, aspect_ratio=aspect_ratio_of(source))
    num_with = sum(any(palm.score >= 0.5 for palm in palms) for palms in found)
    return hands.track(rate=rate), seconds, num_with


def read_labels() -> Iterator[tuple[str, float, dict[str, tuple[int | None, int | None]]]]:
    """Recording, second, and of each hand whether it is visible and touches something."""
    with LABELS.open(newline="") as file:
        for row in csv.DictReader(file):
            told = {
                side: tuple(int(v) if (v := row[f"{side}_{what}"]) else None for what in ("visible", "in_contact"))
                for side in SIDES
            }
            yield row["video_id"], (int(row["step"]) + 0.5) / LABEL_RATE, told  # type: ignore[misc]


def describe(pairs: list[tuple[int, bool]]) -> str:
    """Of pairs (truth, answer): precision, recall, F1 and Matthews correlation."""
    truth, answer = (np.array(column, dtype=bool) for column in zip(*pairs, strict=True))
    tp, fp, fn, tn = (
        int((a & b).sum()) for a, b in ((truth, answer), (~truth, answer), (truth, ~answer), (~truth, ~answer))
    )
    product = float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    correlation = (tp * tn - fp * fn) / product**0.5 if product else float("nan")
    return (
        f"right {tp}, wrong {fp}, missed {fn}, rightly none {tn}: precision {100 * tp / max(tp + fp, 1):.1f} %, "
        f"recall {100 * tp / max(tp + fn, 1):.1f} %, F1 {2 * tp / max(2 * tp + fp + fn, 1):.3f}, MCC {correlation:.2f}"
    )


def main() -> None:
    """Measure and print."""
    settings = tyro.cli(Settings, description=__doc__)
    detector = HandDetector(settings.hand_model)
    timelines = read_timelines(settings.data / "segments.csv")
    print(describe_machine())
    for rate in settings.rates:
        tracks, seconds, num_with = {}, np.zeros(2), 0
        for path in find_videos(settings.data / "videos"):
            tracks[path.stem], taken, found = find_hands(path, detector, rate)
            seconds, num_with = seconds + taken, num_with + found
        num_steps = sum(len(each.seen) for each in tracks.values())
        print(
            f"\n{rate} steps a second: {num_steps} pictures, {num_steps / seconds[0]:.0f} a second by the clock, "
            f"{num_steps / seconds[1]:.0f} a second of one core"
        )
        print(f"  a palm of at least 0.5: {100 * num_with / num_steps:.1f} % of pictures")
        for name in ("seen", "present"):
            every = np.concatenate([getattr(each, name) for each in tracks.values()])
            any_hand, left, right, both = 100 * np.array(
                [every.any(axis=1).mean(), *every.mean(axis=0), every.all(axis=1).mean()]
            )
            print(f"  {name}: any hand {any_hand:.1f} %, left {left:.1f}, right {right:.1f}, both {both:.1f}")
        report_labels(tracks, timelines, rate)
        for video_id, each in tracks.items():
            use = measure_hand_use(each, timelines[video_id])
            parts = [
                f"{side} {100 * use[side]['share_of_time']:.1f} % in {use[side]['num_interactions']}" for side in SIDES
            ]
            print(f"  {video_id}: {', '.join(parts)}, ratio {use['hand_use_ratio']}")


def report_labels(tracks: dict[str, HandTracks], timelines: dict, rate: int) -> None:
    """Print how the tracks compare with what somebody saw."""
    for side, name in enumerate(SIDES):
        visible, present, contact, alone = [], [], [], []
        for video_id, second, told in read_labels():
            step, (is_visible, is_in_contact) = int(second * rate), told[name]
            hand = tracks[video_id]
            is_busy = any(s.start_seconds <= second < s.stop_seconds for s in timelines[video_id])
            if is_visible is not None:
                visible.append((is_visible, hand.seen[step, side]))
                present.append((is_visible, hand.present[step, side]))
            if is_in_contact is not None:
                contact.append((is_in_contact, hand.present[step, side] and is_busy))
                alone.append((is_in_contact, hand.present[step, side]))
        print(f"  {name} visible, seen: {describe(visible)}")
        print(f"  {name} visible, present: {describe(present)}")
        print(f"  {name} in contact, present while an action goes on: {describe(contact)}")
        print(f"  {name} in contact, present: {describe(alone)}")


if __name__ == "__main__":
    main()

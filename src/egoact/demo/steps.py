"""The steps of `egoact demo`, each a command or a few.

OUT/kitchen             videos and labels
OUT/features            features of all recordings
OUT/runs/HEAD           one run a head
OUT/runs/timeline       one that finds actions in whole recordings
OUT/evaluations/HEAD    what it answers in a kitchen that training never saw; backwards.npz: with its frames reversed
OUT/timeline            what happens in one recording of that kitchen, and how good this is
OUT/demo.json           what was asked for
OUT/timings.json        how long each step took
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.segments import read_segments
from egoact.core.bounds import load_json
from egoact.core.defaults import HEAD as DEFAULT_HEAD
from egoact.core.defaults import ORDER_BLIND_HEAD
from egoact.core.errors import ArtifactError
from egoact.core.files import make_folder, write_json
from egoact.core.metrics.scores import Scores
from egoact.kitchen.labels import REVERSED_PAIRS
from egoact.media.sources import MediaRoot
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore


@dataclass(frozen=True)
class Demo:
    """A demo in a folder: the flags of the command, and what runs others."""

    out: Path
    videos: int
    heads: tuple[str, ...]
    backbone: str
    epochs: int | None  # of each training; None: as in `egoact train`
    seed: int
    workers: int  # processes that film
    command: Callable[..., tuple[str, int]]  # by name and flags; gives its words and how many inputs failed

    def go(self) -> int:
        """Do it all; gives the number of recordings whose features could not be computed.

        Raises:
            ArtifactError: `out` holds something else, or a demo with other settings.
        """
        make_folder(self.out)
        clock, kitchen = StepClock(self.out / "timings.json"), self.out / "kitchen"
        print(f"1/6 filming {self.videos} recordings in the built-in kitchens", flush=True)
        with clock.measure("film"):
            self.command("kitchen", out=kitchen, videos=self.videos, seed=self.seed, workers=self.workers)
        write_json(self.out / "demo.json", self._describe())  # not before the kitchen is known to be this one
        print("2/6 computing the features of all frames, once", flush=True)
        with clock.measure("extract"):
            media, features = (kitchen / "videos",), self.out / "features"
            failed = self.command("extract", media=media, features=features, backbone=self.backbone)[1]
        for number, head in enumerate(self.heads, 1):
            print(f"3/6 training head {number} of {len(self.heads)}: {head}", flush=True)
            with clock.measure(f"train {head}"):
                self._train(head)
        for number, head in enumerate(self.heads, 1):
            print(f"4/6 an unseen kitchen for head {number} of {len(self.heads)}: {head}", flush=True)
            with clock.measure(f"evaluate {head}"):
                self._evaluate(head)
        print("5/6 a whole recording of the unseen kitchen", flush=True)
        with clock.measure("timeline"):
            self._find_actions()
        print("6/6 drawing the page", flush=True)
        return failed

    def _train(self, head: str) -> None:
        kitchen = self.out / "kitchen"
        self.command(
            "train",
            segments=(kitchen / "train.csv",),
            validation=kitchen / "validation.csv",
            classes=kitchen,
            features=(self.out / "features",),
            run=self.out / "runs" / head,
            head=head,
            select="last",  # choosing the epoch by the validation kitchen would be peeking at it
            seed=self.seed,
            epochs=self.epochs,
        )

    def _evaluate(self, head: str) -> None:
        segments, features = self.out / "kitchen" / "validation.csv", self.out / "features"
        run, out = self.out / "runs" / head, self.out / "evaluations" / head
        self.command("evaluate", segments=(segments,), run=run, features=(features,), out=out)
        score_backwards(run, segments, features).save(out / "backwards.npz")

    def _find_actions(self) -> None:
        """Learn to find actions, find those of the first recording of the unseen kitchen, and see how well it went."""
        kitchen, run, out = self.out / "kitchen", self.out / "runs" / "timeline", self.out / "timeline"
        if (out / "evaluation" / "metrics.json").exists():
            return
        labels, segments, features = kitchen / "validation.csv", (kitchen / "train.csv",), (self.out / "features",)
        self.command("train-timeline", segments=segments, classes=kitchen, features=features, run=run, seed=self.seed)
        video = MediaRoot(kitchen / "videos").find(read_segments(labels).video_ids[0]).path
        self.command("predict", video=video, run=run, out=out)
        self.command("evaluate", timeline=out / "timeline.json", segments=(labels,), out=out / "evaluation")

    def _describe(self) -> dict[str, Any]:
        shown = choose_shown_head(self.heads)
        blind = ORDER_BLIND_HEAD if ORDER_BLIND_HEAD in self.heads else None
        return {
            "heads": list(self.heads),
            "shown_head": shown,
            "order_blind_head": None if blind == shown else blind,
            "videos": self.videos,
            "backbone": self.backbone,
            "seed": self.seed,
            "reversed_pairs": REVERSED_PAIRS,
        }


def choose_shown_head(heads: Sequence[str]) -> str:
    """The head that the page looks at more closely: chosen before anything is measured."""
    return DEFAULT_HEAD if DEFAULT_HEAD in heads else heads[-1]


def score_backwards(run: Path, segments: Path, features: Path) -> Scores:
    """What a run answers when every clip is played backwards."""
    table, store, recognizer = read_segments(segments), FeatureStore.open(features), load_run(run).recognizer
    clips = store.gather(store.locate(table, recognizer.config.sampling))[:, ::-1]
    logits = recognizer.score(np.ascontiguousarray(clips))
    return Scores.from_rows([segment.narration_id for segment in table], **logits)


class StepClock:
    """Seconds of each step, on disk; a step that was interrupted adds up, a finished one is not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                for step in load_json(path)["steps"]:
                    found = {"seconds": float(step["seconds"]), "finished": bool(step["finished"])}
                    self._steps[step["name"]] = found
            except (ValueError, KeyError, TypeError) as error:
                raise ArtifactError(f"cannot be read ({error!r}); delete it", path=path) from None

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure the step that is done inside."""
        step = self._steps.setdefault(name, {"seconds": 0.0, "finished": False})
        begun, before = time.monotonic(), step["seconds"]
        is_again = step["finished"]
        try:
            yield
            step["finished"] = True
        finally:
            if not is_again:
                step["seconds"] = round(before + time.monotonic() - begun, 3)
            steps = [{"name": name, **step} for name, step in self._steps.items()]
            write_json(self._path, {"steps": steps})

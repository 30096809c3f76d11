"""`egoact demo`: the whole story on the built-in kitchen, by the same functions that the other commands call.

OUT/kitchen             videos and labels
OUT/features            features of all segments
OUT/runs/HEAD           one run a head
OUT/evaluations/HEAD    what it answers in a kitchen that training never saw; backwards.npz: with its frames reversed
OUT/demo.json           what was asked for
OUT/timings.json        how long each step took
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.scores import Scores
from egoact.core.segments import read_segments
from egoact.data.store import FeatureStore
from egoact.kitchen.labels import REVERSED_PAIRS
from egoact.models.heads import DEFAULT_HEAD, HEADS
from egoact.models.recognizer import Recognizer
from egoact.stages.evaluate import EvaluateSettings, evaluate
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.kitchen import KitchenSettings, kitchen
from egoact.stages.train import TrainSettings, train

ORDER_BLIND_HEAD = "average"
DEMO_NAME = "demo.json"
TIMINGS_NAME = "timings.json"


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Film a kitchen, compute features, train some heads, and see how they do in a kitchen they have never seen.

    Ends with a page, OUT/index.html. A demo that was stopped goes on where it was when the same command is given
    again.
    """

    out: Path
    """Folder for everything."""
    videos: int = 24
    """How many recordings to film."""
    heads: tuple[str, ...] = (ORDER_BLIND_HEAD, "lstm", "convnet1d", DEFAULT_HEAD)
    """Temporal heads to compare."""
    backbone: str = "efficientnet_lite0"
    """What looks at the single frames."""
    epochs: int | None = None
    """Passes over the training clips; default: as in egoact train."""
    seed: int = 0
    """Of everything."""
    workers: int = 2
    """Processes that film."""

    def __post_init__(self) -> None:
        if not self.heads or len(set(self.heads)) < len(self.heads):
            raise ValueError(f"--heads needs one name at least, each once; got {' '.join(self.heads) or 'none'}")
        for head in self.heads:
            if head not in HEADS or HEADS[head].kind != "pooled":
                able = ", ".join(name for name, made in HEADS.items() if made.kind == "pooled")
                raise ValueError(f"--heads: {head!r} is none of {able}")

    @property
    def shown_head(self) -> str:
        """The head that the page looks at more closely: chosen before anything is measured."""
        return DEFAULT_HEAD if DEFAULT_HEAD in self.heads else self.heads[-1]


def demo(settings: DemoSettings) -> int:
    """Do it all; see `DemoSettings`.

    Returns:
        Number of segments whose features could not be computed.

    Raises:
        ArtifactError: `out` holds something else, or a demo with other settings.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    clock = StepClock(settings.out / TIMINGS_NAME)
    made, features = settings.out / "kitchen", settings.out / "features"
    print(f"1/5 filming {settings.videos} recordings in the built-in kitchens", flush=True)
    with clock.measure("film"):
        kitchen(KitchenSettings(out=made, videos=settings.videos, seed=settings.seed, workers=settings.workers))
    _write_json(settings.out / DEMO_NAME, _describe(settings))  # not before the kitchen is known to be this one
    print("2/5 computing the features of all frames, once", flush=True)
    with clock.measure("extract"):
        failed = sum(_extract(settings, made / f"{part}.csv") for part in ("train", "validation"))
    for number, head in enumerate(settings.heads, 1):
        print(f"3/5 training head {number} of {len(settings.heads)}: {head}", flush=True)
        with clock.measure(f"train {head}"):
            train(_train_settings(settings, head))
    for number, head in enumerate(settings.heads, 1):
        print(f"4/5 an unseen kitchen for head {number} of {len(settings.heads)}: {head}", flush=True)
        with clock.measure(f"evaluate {head}"):
            _evaluate(settings, head, features)
    print("5/5 drawing the page", flush=True)
    return failed


def _extract(settings: DemoSettings, segments: Path) -> int:
    media, features = settings.out / "kitchen" / "videos", settings.out / "features"
    return extract(ExtractSettings(segments=segments, media=(media,), features=features, backbone=settings.backbone))


def _train_settings(settings: DemoSettings, head: str) -> TrainSettings:
    made = settings.out / "kitchen"
    return TrainSettings(
        segments=made / "train.csv",
        validation=made / "validation.csv",
        classes=made,
        features=(settings.out / "features",),
        run=settings.out / "runs" / head,
        head=head,
        select="last",  # choosing the epoch by the validation kitchen would be peeking at it
        seed=settings.seed,
        epochs=settings.epochs,
    )


def _evaluate(settings: DemoSettings, head: str, features: Path) -> None:
    segments = settings.out / "kitchen" / "validation.csv"
    run, out = settings.out / "runs" / head, settings.out / "evaluations" / head
    evaluate(EvaluateSettings(segments=segments, run=run, features=(features,), out=out))
    score_backwards(run, segments, features).save(out / "backwards.npz")


def score_backwards(run: Path, segments: Path, features: Path) -> Scores:
    """What a run answers when every clip is played backwards."""
    table, store = read_segments(segments), FeatureStore.open(features)
    clips = store.gather(store.rows(table))[:, ::-1]
    logits = Recognizer.load(run).score(np.ascontiguousarray(clips))
    return Scores.from_rows([segment.narration_id for segment in table], **logits)


def _describe(settings: DemoSettings) -> dict[str, Any]:
    blind = ORDER_BLIND_HEAD if ORDER_BLIND_HEAD in settings.heads else None
    return {
        "heads": list(settings.heads),
        "shown_head": settings.shown_head,
        "order_blind_head": None if blind == settings.shown_head else blind,
        "videos": settings.videos,
        "backbone": settings.backbone,
        "seed": settings.seed,
        "reversed_pairs": REVERSED_PAIRS,
    }


class StepClock:
    """Seconds of each step, on disk; a step that was interrupted adds up, a finished one is not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))["steps"]
                self._steps = {
                    step["name"]: {"seconds": float(step["seconds"]), "finished": bool(step["finished"])}
                    for step in known
                }
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
            _write_json(self._path, {"steps": steps})


def _write_json(path: Path, values: Any) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    part.replace(path)

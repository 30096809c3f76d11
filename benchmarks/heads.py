"""Every head on real recordings and in the built-in kitchen, beside linear models; the table of docs/measured.md.

    egoact demo --out demo
    python benchmarks/heads.py --data FOLDER --demo demo [--out heads] [--nested] [--page docs/measured.md]

Real recordings: leave one out, as in `benchmarks/gtea.py`, whose settings these are. Kitchen: the demo's training
kitchens, last epoch, asked about the kitchen that training never saw; its pooled features are those of the demo.
Mean and standard deviation over seeds, percent. What is measured is kept in OUT/heads.json, so that the table can grow:
`--heads convlstm lsta` adds two rows to those that are there.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gtea
import numpy as np
import tyro
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from egoact.commands.learning.train import TrainSettings
from egoact.core.annotations.labels import TARGETS, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.sampling import ClipSampling
from egoact.models.heads import DEFAULT_HEAD, HEADS
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore

MARKS = "<!-- measured:heads -->", "<!-- /measured:heads -->"
CHOSEN = "head chosen inside the training videos"
BASELINES = "majority", "logistic regression, mean", "logistic regression, mean and end - start"
Cells = dict[str, np.ndarray]  # model -> (seeds, verb and noun and both)


@dataclass(frozen=True, kw_only=True)
class Settings(gtea.Settings):
    """What to measure."""

    demo: Path
    """Folder of a finished `egoact demo`."""
    out: Path = Path("heads")
    """Folder to keep features, runs and results in."""
    heads: tuple[str, ...] = tuple(HEADS)
    """Heads to train."""
    page: Path | None = None
    """Page to write the table to, between its marks."""


class Kitchen:
    """Training kitchens and the unseen one of a demo."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.folder = settings, settings.demo / "kitchen"
        self.features = cache(self._extract)
        self.validation = read_segments(self.folder / "validation.csv")
        self.vocabularies = {target: read_vocabulary(self.folder, target) for target in TARGETS}
        self.labels = {t: v.encode(self.validation, allow_unlabelled=False) for t, v in self.vocabularies.items()}

    def _extract(self, head: str) -> Path:
        if HEADS[head].kind == "pooled":
            return self.settings.demo / "features"
        features = self.settings.out / f"kitchen-{self.settings.store_name(head)}"
        for part in ("train", "validation"):
            self.settings.extract(self.folder / f"{part}.csv", self.folder / "videos", features, head=head)
        return features

    def run(self, head: str, seed: int) -> TrainSettings:
        """The training of a head."""
        return TrainSettings(
            segments=self.folder / "train.csv",
            features=(self.features(head),),
            classes=self.folder,
            run=self.settings.out / "kitchen-runs" / f"{head}-{self.settings.recipe}-{seed}",
            seed=seed,
            select="last",
            **self.settings.how_to_train(head),
        )

    def measure_heads(self) -> Cells:
        """Every head, every seed."""
        runs = {head: [self.run(head, s) for s in range(self.settings.seeds)] for head in self.settings.heads}
        gtea.train_all((run for all_seeds in runs.values() for run in all_seeds), workers=self.settings.workers)
        return {head: np.array([self._accuracy(run) for run in all_seeds]) for head, all_seeds in runs.items()}

    def _accuracy(self, run: TrainSettings) -> list[float]:
        scores = load_run(run.run).score(self.validation, run.features).by_target()
        return self._percent({target: values.argmax(1) for target, values in scores.items()})

    def _percent(self, answers: dict) -> list[float]:
        right = [answers[target] == self.labels[target] for target in TARGETS]
        return [100 * float(part.mean()) for part in (*right, right[0] & right[1])]

    def measure_baselines(self) -> Cells:
        """Majority of the training kitchens, and two logistic regressions."""
        store, train = FeatureStore.open(self.features(DEFAULT_HEAD)), read_segments(self.folder / "train.csv")
        known = {t: v.encode(train, allow_unlabelled=False) for t, v in self.vocabularies.items()}
        clips, asked = (
            store.gather(store.locate(table, ClipSampling())).astype(np.float32) for table in (train, self.validation)
        )
        most = {t: np.full(len(asked), np.bincount(values).argmax()) for t, values in known.items()}
        found = {"majority": np.array([self._percent(most)])}
        for name, describe in (
            ("logistic regression, mean", lambda x: x.mean(1)),
            ("logistic regression, mean and end - start", lambda x: np.concatenate([x.mean(1), x[:, -1] - x[:, 0]], 1)),
        ):
            answers = {}
            for target, values in known.items():
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
                answers[target] = model.fit(describe(clips), values).predict(describe(asked))
            found[name] = np.array([self._percent(answers)])
        return found


def cell(values: np.ndarray) -> str:
    spread = f" ± {np.std(values):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def table(found: dict[str, Cells]) -> list[str]:
    lines = ["| model | real, verb | kitchen, verb | noun | both |", "|---|---|---|---|---|"]
    for name in (*BASELINES, *HEADS, CHOSEN):
        if name not in found["real"]:
            continue
        made = [cell(found["kitchen"][name][:, i]) for i in range(3)] if name in found["kitchen"] else ["", "", ""]
        shown = f"**{name}** (default)" if name == DEFAULT_HEAD else name
        lines.append(f"| {shown} | {cell(found['real'][name])} | {' | '.join(made)} |")
    return lines


def add_results(path: Path, new: dict[str, dict]) -> dict[str, Cells]:
    """What was measured before and now, by part and model; kept in a file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    found = {part: known.get(part, {}) | {k: np.asarray(v).tolist() for k, v in new[part].items()} for part in new}
    path.write_text(json.dumps(found, indent=1) + "\n")
    return {part: {model: np.array(values) for model, values in models.items()} for part, models in found.items()}


def write_block(path: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    page = path.read_text(encoding="utf-8")
    begin, end = MARKS
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    assert len(pattern.findall(page)) == 1, f"{path} needs the marks {begin} and {end} once"
    path.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")


def tell(settings: Settings, found: dict[str, Cells], *, recordings: gtea.Bench, kitchen: Kitchen) -> str:
    """The table, and how it was made."""
    maps = "; ".join(
        f"`{head}`: {', '.join(given)}, frames of {gtea.FRAME_SIZES[head]} pixels"
        for head, given in gtea.MAP_OPTIONS.items()
        if head in found["real"]
    )
    told = [
        f"Top-1 %, {settings.seeds} seeds, `{settings.backbone}`: {len(recordings.table)} segments of "
        f"{len(set(recordings.videos))} real recordings, each left out once; {len(kitchen.validation)} segments of the",
        "built-in kitchen that training never saw. `python benchmarks/heads.py`, which wrote this.",
    ]
    if maps:
        told += [f"On maps after block {settings.map_cut}, for {settings.map_epochs} epochs, fixed beforehand: {maps}."]
    return "\n".join([*told, "", *table(found)])


def main(settings: Settings) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    bench, kitchen = gtea.Bench(settings, settings.out), Kitchen(settings)
    real = gtea.measure_baselines(bench) | gtea.measure_heads(bench)
    note = ""
    if settings.nested:
        real[CHOSEN], chosen = gtea.measure_nested(bench)
        note = "Chosen inside the training videos: " + ", ".join(f"{v}: {head}" for v, head in chosen.items()) + "."
    made = kitchen.measure_baselines() | kitchen.measure_heads()
    found = add_results(settings.out / "heads.json", {"real": real, "kitchen": made})
    text = tell(settings, found, recordings=bench, kitchen=kitchen)
    print(f"{text}\n\n{note}")
    if settings.page is not None:
        write_block(settings.page, text)


if __name__ == "__main__":
    main(tyro.cli(Settings))

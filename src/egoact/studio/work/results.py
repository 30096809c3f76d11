"""How good a run is on labelled recordings: confusions with their clips, mistakes, comparisons, agreement.

A recording that a run learned from counts with what was found there by a training without it, or not at all.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from egoact.core.timelines.agreement import Pair, measure_agreement, pair_segments
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment, TimelineTarget
from egoact.studio.labelling.labels import LabelBook
from egoact.studio.media.recordings import Recordings
from egoact.studio.refusal import Refusal
from egoact.studio.schemas import results as said
from egoact.studio.work.runs import Runs

_STEPS_PER_SECOND = 10.0
_MOST_CLIPS = 100


Compared = dict[str, tuple[Timeline, Timeline]]


class Results:
    """Runs against labels, on recordings that are labelled from beginning to end."""

    def __init__(self, runs: Runs, labels: LabelBook, recordings: Recordings) -> None:
        self._runs, self._labels, self._recordings = runs, labels, recordings

    def compare_with_labels(self, run: str, annotator: str) -> tuple[Compared, list[str]]:
        """A run's honest answers beside the labels; of recordings that are labelled in part none.

        Returns:
            Recording -> found and true; and the recordings that are left out because the run has seen them.
        """
        truth = self.labelled(annotator)
        seen, held_out = self._runs.learned_from(run), self._runs.held_out(run)
        proposed = self._runs.timelines(run)
        complete = {name for name, facts in self._recordings.facts().items() if facts["is_labelled"]}
        pairs: Compared = {}
        left_out = []
        for name, true in truth.items():
            if name in seen and name not in held_out:
                left_out.append(name)
            elif name in held_out:
                pairs[name] = (held_out[name], true)
            elif name in proposed and name in complete:
                pairs[name] = (proposed[name], true)
        return pairs, left_out

    def labelled(self, annotator: str) -> dict[str, Timeline]:
        """Recording -> labels of somebody that have a verb or noun."""
        found: dict[str, list[TimelineSegment]] = {}
        for s in self._labels.read(annotator).segments:
            if s.verb or s.noun:
                made = TimelineSegment(s.start_seconds, s.stop_seconds, s.verb, s.noun)
                found.setdefault(s.recording_id, []).append(made)
        return {name: Timeline(name, tuple(sorted(of, key=lambda s: s.start_seconds))) for name, of in found.items()}

    def confusion(self, run: str, annotator: str, target: TimelineTarget) -> said.Confusion:
        """Labelled segments against what was found there, with the clips of each cell."""
        compared, seen = self.compare_with_labels(run, annotator)
        cells: dict[tuple[str | None, str | None], list[said.Clip]] = {}
        for name, pair in _pairs(compared):
            clip = _clip(name, pair, target)
            if clip.truth is not None or clip.found is not None:
                cells.setdefault((clip.truth, clip.found), []).append(clip)
        names = sorted({name for key in cells for name in key if name is not None})
        ordered = sorted(cells.items(), key=lambda item: (-len(item[1]), str(item[0])))
        return said.Confusion(
            run=run,
            annotator=annotator,
            target=target,
            names=names,
            cells=[
                said.ConfusionCell(truth=truth, found=found, count=len(clips), clips=clips[:_MOST_CLIPS])
                for (truth, found), clips in ordered
            ],
            recordings=sorted(compared),
            seen_recordings=sorted(seen),
        )

    def mistakes(self, run: str, annotator: str, *, limit: int) -> said.Mistakes:
        """What was found and is not so, the most confident first."""
        targets = self._targets(run)
        wrong = []
        for name, pair in _pairs(self.compare_with_labels(run, annotator)[0]):
            truth, found = pair
            if found is None:
                continue
            if truth is None or any(truth.label(t) != found.label(t) for t in targets if truth.label(t) is not None):
                wrong.append(_clip(name, pair, "action"))
        wrong.sort(key=lambda clip: -(clip.confidence or 0.0))
        return said.Mistakes(run=run, annotator=annotator, mistakes=wrong[:limit])

    def compare_runs(self, first: str, second: str) -> said.RunComparison:
        """Two runs: on the recordings that both answered without having seen them, else by what each says of itself."""
        annotators = self._labels.files.annotators()
        sides = [{a: self.compare_with_labels(run, a)[0] for a in annotators} for run in (first, second)]
        shared = {a: sides[0][a].keys() & sides[1][a].keys() for a in annotators}
        best = max(shared, key=lambda a: len(shared[a]), default=None)
        targets = [t for t in self._targets(first) if t in self._targets(second)]
        both: list[TimelineTarget] = [*targets, *(["action"] if len(targets) > 1 else [])]
        if best is not None and shared[best] and both:
            measured = []
            for side in sides:
                found = {name: side[best][name][0] for name in shared[best]}
                truth = {name: side[best][name][1] for name in shared[best]}
                known = [t for t in both if any(s.label(t) for of in truth.values() for s in of)]
                measured.append(evaluate_timelines(found, truth, targets=known, rate=_STEPS_PER_SECOND))
            return _comparison(first, second, measured, is_same=True)
        told = {run.name: run.metrics or {} for run in self._runs.find_all()}
        return _comparison(first, second, [told.get(first, {}), told.get(second, {})], is_same=False)

    def agreement(self, first: str, second: str) -> said.Agreement:
        """Two annotators on the recordings that both labelled."""
        sides = [self.labelled(name) for name in (first, second)]
        shared = sorted(sides[0].keys() & sides[1].keys())
        pairs = {name: (sides[0][name], sides[1][name]) for name in shared}
        return said.Agreement(
            first=first,
            second=second,
            together=_agreement(None, list(pairs.values())) if pairs else None,
            recordings=[_agreement(name, [pair]) for name, pair in pairs.items()],
        )

    def _targets(self, run: str) -> list[TimelineTarget]:
        self._runs.find(run)
        found = next((one for one in self._runs.find_all() if one.name == run), None)
        if found is None:
            raise Refusal(404, f"'{run}' is not trained to its end")
        return list(found.targets)


def _pairs(compared: Compared) -> Iterator[tuple[str, Pair]]:
    for name, (found, true) in sorted(compared.items()):
        for pair in pair_segments(true, found):
            yield name, pair


def _clip(name: str, pair: Pair, target: TimelineTarget) -> said.Clip:
    def word(segment: TimelineSegment | None) -> str | None:
        if segment is None:
            return None
        return {"verb": segment.verb, "noun": segment.noun, "action": segment.name}[target]

    truth, found = pair
    shown = truth or found
    assert shown is not None
    return said.Clip(
        recording_id=name,
        start_seconds=shown.start_seconds,
        stop_seconds=shown.stop_seconds,
        truth=word(truth),
        found=word(found),
        confidence=None if found is None else found.confidence,
    )


def _comparison(first: str, second: str, measured: list[dict[str, Any]], *, is_same: bool) -> said.RunComparison:
    one, other = (dict(_flat(metrics)) for metrics in measured)
    return said.RunComparison(
        first=first,
        second=second,
        is_same_recordings=is_same,
        metrics=[
            said.MetricComparison(name=name, first=one[name], second=other[name], difference=other[name] - one[name])
            for name in one
            if name in other
        ],
    )


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for target in ("verb", "noun", "action"):
        part = metrics.get(target)
        if not isinstance(part, dict) or "frame_accuracy" not in part:
            continue
        yield f"{target}: frame accuracy", float(part["frame_accuracy"])
        yield f"{target}: edit score", float(part["edit"])
        for overlap, value in part["f1"].items():
            yield f"{target}: F1@{overlap}", float(value)
        yield f"{target}: mAP", float(part["map"]["mean"])


def _agreement(name: str | None, pairs: list[tuple[Timeline, Timeline]]) -> said.AgreementOf:
    found = measure_agreement(pairs, rate=_STEPS_PER_SECOND)
    boundaries: dict[str, float | None] = {}
    for end, differences in (("start", found.start_differences), ("stop", found.stop_differences)):
        boundaries[f"{end}_mean_seconds"] = _mean(differences)
        boundaries[f"{end}_mean_absolute_seconds"] = _mean([abs(each) for each in differences])
    return said.AgreementOf(
        recording_id=name,
        kappa={str(target): value for target, value in found.kappa.items()},
        boundaries=said.BoundaryDifferences(num_pairs=len(found.start_differences), **boundaries),
        only_first=found.only_first,
        only_second=found.only_second,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

"""The zips of EPIC-KITCHENS' recognition and anticipation challenges: writing one, and checking anybody's.

They hold one `test.json`: version, challenge, three supervision levels, and for each test segment 97 + 300 numbers.
Those of anticipation that others wrote may also hold the 100 best pairs of each segment,
`"action": {"verb,noun": score}`, in all segments or in none.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.epic.facts import NUM_NOUNS, NUM_VERBS
from egoact.core.errors import ArtifactError
from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.challenges.challenge import read_document, show, write_document
from egoact.core.metrics.scores import ClassScores, Scores, scores_from_results

NUM_PAIRS = 100

ScoredChallenge = Literal["action_recognition", "action_anticipation"]

_NUM_CLASSES = {"verb": NUM_VERBS, "noun": NUM_NOUNS}
_PAIRS = {f"{verb},{noun}": verb * NUM_NOUNS + noun for verb in range(NUM_VERBS) for noun in range(NUM_NOUNS)}


@dataclass(frozen=True, eq=False)
class Submission:
    """A complete, well-formed submission: levels by name, scores (N, 97) and (N, 300), and the best pairs, if any."""

    levels: dict[str, int]
    scores: Scores
    actions: ActionRanking | None = None


def write_submission(
    scores: Scores,
    path: str | Path,
    *,
    sls_pt: int,
    sls_tl: int,
    sls_td: int,
    challenge: ScoredChallenge = "action_recognition",
) -> None:
    """Write the zip of scores for all test segments; it appears under its name only when it is complete.

    The supervision levels are those of pre-training, labels and data, see `epic.SUPERVISION_LEVELS`; one outside 0 to 5
    is a `ValueError`, and so are other numbers of classes.
    """
    _check_classes(scores)
    levels = {"sls_pt": sls_pt, "sls_tl": sls_tl, "sls_td": sls_td}
    write_document(Path(path), _json_pieces(scores), challenge=challenge, levels=levels)


def check_submission(
    path: str | Path, table: SegmentTable | None = None, *, challenge: ScoredChallenge = "action_recognition"
) -> Submission:
    """Read anybody's zip; an `ArtifactError` for the first thing that the challenge would refuse.

    Each segment of `table` must have scores, and no other; None leaves that unchecked.
    """
    path = Path(path)
    results, levels = read_document(path, challenge=challenge)
    try:
        scores = scores_from_results(results, path)
        _check_classes(scores)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None
    actions = _read_actions(results, path) if challenge == "action_anticipation" else None
    if table is None:
        return Submission(levels, scores, actions)
    try:
        aligned = scores.align(table)
    except ArtifactError as error:
        raise ArtifactError(error.reason, path=path) from None
    if actions is not None:
        row_of = {narration_id: row for row, narration_id in enumerate(scores.narration_ids)}
        rows = [row_of[narration_id] for narration_id in aligned.narration_ids]
        actions = ActionRanking(actions.verbs[rows], actions.nouns[rows], actions.scores[rows])
    return Submission(levels, aligned, actions)


def _check_classes(scores: Scores) -> None:
    found = {target: array.shape[1] for target, array in scores.by_target().items()}
    if found != _NUM_CLASSES:
        listed = " and ".join(f"{count} {target}s" for target, count in found.items())
        raise ValueError(f"scores for {listed}; the challenge needs {NUM_VERBS} verbs and {NUM_NOUNS} nouns")


def _read_actions(results: Mapping[str, Mapping[str, Any]], path: Path) -> ActionRanking | None:
    """The pairs of every segment, best first; None where there are none."""
    with_pairs = [narration_id for narration_id, segment in results.items() if "action" in segment]
    if not with_pairs:
        return None
    if len(with_pairs) < len(results):
        without = next(narration_id for narration_id, segment in results.items() if "action" not in segment)
        reason = f"'action' in {len(with_pairs)} of {len(results)} segments; all of them or none must have it"
        raise ArtifactError(reason, path=path, place=f"segment {without}")
    pairs = np.empty((len(results), NUM_PAIRS), dtype=np.int64)
    scores = np.empty((len(results), NUM_PAIRS))
    for row, (narration_id, segment) in enumerate(results.items()):
        try:
            pairs[row], scores[row] = _pairs_of(segment["action"])
        except ValueError as error:
            raise ArtifactError(str(error), path=path, place=f"segment {narration_id}, action") from None
    return ActionRanking(*np.divmod(pairs, NUM_NOUNS), scores)


def _pairs_of(found: Any) -> tuple[Any, Any]:
    """The pairs of one segment, as the numbers of `_PAIRS`, and their scores, (100,) each, best first."""
    if not isinstance(found, ClassScores):
        raise ValueError('expected an object: "verb,noun" -> number')
    if len(found.keys) != NUM_PAIRS:
        raise ValueError(f"{len(found.keys)} pairs; exactly {NUM_PAIRS} are needed")
    if not np.isfinite(found.values).all():
        raise ValueError("a score is not finite")
    try:
        pairs = [_PAIRS[key] for key in found.keys]
    except KeyError as error:
        raise ValueError(f'{show(error.args[0])} is no pair; expected "verb,noun", such as "0,12"') from None
    order = np.argsort(-found.values, kind="stable")
    return np.array(pairs, dtype=np.int64)[order], found.values[order]


def _json_pieces(scores: Scores) -> Iterator[str]:
    yield "{\n"
    templates = {
        target: "{"
        + ", ".join(f'"{class_id}": %.9g' for class_id in range(count))
        + "}"  # reads back as the same float32
        for target, count in _NUM_CLASSES.items()
    }
    for row, narration_id in enumerate(scores.narration_ids):
        parts = [f'"{t}": {templates[t] % tuple(array[row].tolist())}' for t, array in scores.by_target().items()]
        yield f"{',' if row else ''}{json.dumps(narration_id)}: {{{', '.join(parts)}}}\n"
    yield "}"

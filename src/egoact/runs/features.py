"""Where feature stores meet runs: whether the features of one fit the other, and what a run says of stored clips."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from egoact.core.annotations.labels import Target
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.metrics.scores import Scores
from egoact.models.backbones.spec import BackboneSpec, check_same_backbone
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig
from egoact.store.concatenation import ConcatenatedStores, FeatureSource, clips_at_once, open_stores
from egoact.store.layout.manifest import read_manifest
from egoact.store.reader import FeatureStore
from egoact.store.streams import choose_streams, missing_streams


def choose_stores(config: RecognizerConfig, paths: Sequence[Path]) -> list[Path]:
    """Of the streams of some folders those that a run reads, in its order; all where specs do not tell which."""
    return _choose(config.backbones, choose_streams([Path(path) for path in paths]))


def open_features_for(
    config: RecognizerConfig | SegmenterConfig, paths: Path | Sequence[Path]
) -> FeatureStore | ConcatenatedStores:
    """Open the streams of features folders that a run reads.

    Raises:
        ArtifactError: A stream that is not there, another backbone, other weights or preprocessing.
    """
    folders = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    needed, there = config.backbones, choose_streams(folders)
    found = _choose(needed, there)
    source = open_stores(found)
    if len(source.specs) != len(needed):
        held = [spec.stream for spec in (read_manifest(path).backbone for path in there)]
        lost = [spec.stream for spec in needed if spec.stream not in held]
        if lost and len(folders) == 1:
            raise ArtifactError(missing_streams(lost, held, folders[0]), path=folders[0])
        names = ", ".join(spec.title for spec in needed)
        reason = f"{len(source.specs)} given, the run needs {len(needed)}: --features with {names}"
        raise ArtifactError(f"feature stores: {reason}", path=source.path)
    stores = source.stores if isinstance(source, ConcatenatedStores) else (source,)
    for store, backbone in zip(stores, needed, strict=True):
        check_same_backbone(store.spec.backbone, backbone, path=store.path)
    return source


def _choose(needed: Sequence[BackboneSpec], paths: Sequence[Path]) -> list[Path]:
    of_spec = {read_manifest(path).backbone: path for path in paths}
    if all(spec in of_spec for spec in needed):
        return [of_spec[spec] for spec in needed]
    names = {spec.stream for spec in needed}
    same = [path for path in paths if read_manifest(path).backbone.stream in names]
    return same if len(same) == len(needed) else list(paths)


def score_rows(recognizer: Recognizer, store: FeatureSource, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of stored clips, rows as from `locate`, averaged over their views: target -> float32 (N, classes)."""
    parts: list[dict[str, np.ndarray]] = []
    step = clips_at_once(store, recognizer.config.num_frames)
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        views = [recognizer.score(store.gather(chosen, views=view)) for view in range(rows.shape[1])]
        parts.append({target: np.mean([view[target] for view in views], axis=0) for target in views[0]})
    return {target: np.concatenate([part[target] for part in parts]) for target in parts[0]}


def fill_unobserved(scores: Scores, table: SegmentTable, counts: Mapping[Target, tuple[int, ...]]) -> Scores:
    """Scores of all segments of a table, in its order, from those of the ones that were observed.

    Others begin with their recording: their scores are the logarithms of `counts`, training segments of each class,
    with one added to each; without counts all classes are equal.
    """
    row_of = {narration_id: row for row, narration_id in enumerate(scores.narration_ids)}
    rows = np.array([row_of.get(segment.narration_id, len(scores)) for segment in table], dtype=np.int64)
    filled = {}
    for target, array in scores.by_target().items():
        frequent = np.array(counts.get(target, (0,) * array.shape[1]), dtype=np.float64) + 1  # pyrefly: ignore[no-matching-overload]
        filled[target] = np.vstack([array, np.log(frequent / frequent.sum()).astype(np.float32)])[rows]
    return Scores(tuple(segment.narration_id for segment in table), **filled)

"""Trained runs of a project, and what they found in recordings."""

import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS
from egoact.core.bounds import load_json
from egoact.core.errors import AnnotationError, InputError
from egoact.core.files import read_json
from egoact.core.timelines.timeline import Timeline
from egoact.studio.project import Project
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.runs import Run

_KEPT_SECONDS = 1.0
_CAUSAL = ("causal", "causal_tcn")
_NAME = re.compile(r"[\w][\w .-]{0,63}")


class Runs:
    """What lies in `runs/` and `timelines/` of a project now."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._read: dict[Path, tuple[int, Timeline]] = {}
        self._lock = threading.Lock()
        self._listed: dict[str, tuple[float, dict[str, tuple[Timeline, Path]]]] = {}

    def find_all(self) -> list[Run]:
        """Newest first; a folder that is no finished run is none."""
        folders = sorted(self._project.runs.iterdir()) if self._project.runs.is_dir() else []
        found = [run for folder in folders if self._project.owns(folder) and (run := self._describe(folder))]
        return sorted(found, key=lambda run: run.trained_at, reverse=True)

    def find(self, name: str) -> Path:
        """The folder of a run; 404 where there is none."""
        folder = self._project.runs / name
        if not _NAME.fullmatch(name) or not folder.exists() or not self._project.owns(folder):
            raise Refusal(404, f"there is no run called '{name[:80]}'")
        if not (folder / "config.json").is_file():
            raise Refusal(404, f"'{name}' is no run that was trained to its end")
        return folder

    def timelines(self, name: str) -> dict[str, Timeline]:
        """Recording -> what a run proposes there; damaged files are left out."""
        return {video: timeline for video, (timeline, _) in self._found(name).items()}

    def hands(self, name: str) -> dict[str, Any]:
        """Recording -> measures of each hand, where the run's timelines have some."""
        told = {}
        for video, (_, path) in self._found(name).items():
            try:
                values = read_json(path)
            except InputError:
                continue
            if isinstance(values, dict) and isinstance(values.get("hands"), dict):
                told[video] = values["hands"]
        return told

    def forget(self) -> None:
        """Look anew at once, for somebody who knows that there is something new."""
        with self._lock:
            self._listed.clear()

    def held_out(self, name: str) -> dict[str, Timeline]:
        """Recording that the run learned from -> what was found there by a training without it."""
        path = self.find(name) / "timelines.json"
        if not path.is_file():
            return {}
        values = read_json(path)
        if not values.get("held_out"):
            return {}
        return {video: Timeline.from_dict(both["predicted"]) for video, both in values["videos"].items()}

    def learned_from(self, name: str) -> set[str]:
        """Recordings that a run has seen in training."""
        return _learned_from(self.find(name))

    def newest_timelines(self) -> dict[str, Timeline]:
        """Recording -> what the run that is the newest of those which proposed there said."""
        found: dict[str, Timeline] = {}
        for run in reversed(self.find_all()):
            found |= self.timelines(run.name)
        return found

    def _found(self, name: str) -> dict[str, tuple[Timeline, Path]]:
        """Recording -> timeline and its file; looked at anew after a moment."""
        with self._lock:
            known = self._listed.get(name)
            if known is not None and time.monotonic() - known[0] < _KEPT_SECONDS:
                return known[1]
        folder = self._project.timelines / name
        found: dict[str, tuple[Timeline, Path]] = {}
        if folder.is_dir() and self._project.owns(folder):
            for path in sorted(folder.rglob("timeline.json")):
                if (timeline := self._read_timeline(path)) is not None:
                    found[timeline.video_id] = (timeline, path)
        with self._lock:
            self._listed[name] = (time.monotonic(), found)
        return found

    def _read_timeline(self, path: Path) -> Timeline | None:
        try:
            changed = path.stat().st_mtime_ns
            known = self._read.get(path)
            if known is None or known[0] != changed:
                known = self._read[path] = (changed, Timeline.from_dict(load_json(path)))
        except (OSError, ValueError, AnnotationError):
            return None
        return known[1]

    def _describe(self, folder: Path) -> Run | None:
        config = folder / "config.json"
        try:
            values = load_json(config)
            vocabularies, kind = values["vocabularies"], values.get("segmenter") or values.get("head", "")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        recordings = sorted(_learned_from(folder))
        return Run(
            name=folder.name,
            path=self._project.words(folder),
            kind=str(kind),
            trained_at=datetime.fromtimestamp(config.stat().st_mtime, tz=UTC),
            targets=[target for target in TARGETS if target in vocabularies],
            num_recordings=len(recordings) or None,
            recordings=recordings,
            is_live=values.get("segmenter") in _CAUSAL or ("head" in values and "anticipation" not in values),
            metrics=_read_metrics(folder),
            evaluation=_read_metrics(self._project.own / "evaluations" / folder.name),
            timelines=sorted(self.timelines(folder.name)),
        )


def _read_metrics(folder: Path) -> dict[str, Any] | None:
    try:
        metrics = load_json(folder / "metrics.json")
    except (OSError, ValueError):
        return None
    return metrics if isinstance(metrics, dict) else None


def _learned_from(folder: Path) -> set[str]:
    try:
        values = load_json(folder / "trained_on.json")
        return {*values["training"], *values["chosen_on"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()

"""Masks of recordings, which somebody looks at before a copy is made by them.

They lie in `recordings/NAME_blurred.json`, where `egoact blur --review` writes them.
"""

import threading
from pathlib import Path

import numpy as np

from egoact.media.sources import MediaSource, read_clip
from egoact.privacy.blurring import mask_picture
from egoact.privacy.masks import Mask, Masks
from egoact.studio.media.pictures import write_jpeg
from egoact.studio.media.recordings import Recordings
from egoact.studio.project import Project
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.recordings import Review, ReviewChange, ReviewedMask


class Reviews:
    """Reads, changes and shows them."""

    def __init__(self, project: Project, recordings: Recordings) -> None:
        self._project, self._recordings = project, recordings
        self._changing = threading.Lock()

    def read(self, recording_id: str) -> Review:
        """All masks; none where nobody has looked for any."""
        source = self._recordings.find(recording_id)
        path = self._path(source)
        masks = Masks.read(path) if path.exists() else Masks()
        shown = [(mask, True) for mask in masks.masks] + [(mask, False) for mask in masks.unmarked]
        shown.sort(key=lambda each: each[0].keyframes)
        return Review(
            recording_id=source.video_id,
            version=_version(path),
            masks=[_told(mask, is_blurred=is_blurred) for mask, is_blurred in shown],
            hidden=list(masks.hidden),
            has_copy=path.with_suffix(".mp4").exists(),
        )

    def change(self, recording_id: str, change: ReviewChange) -> Review:
        """Keep what a person says; refuses with 400 places that are none, with 409 where somebody else was faster."""
        source = self._recordings.find(recording_id)
        path = self._path(source)
        try:
            blurred, unmarked = ([_mask(m) for m in change.masks if m.is_blurred is wanted] for wanted in (True, False))
            masks = Masks(blurred, change.hidden, unmarked)
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        with self._changing:
            if _version(path) != change.version:
                raise Refusal(409, "somebody else changed it meanwhile; this page shows it as it was")
            masks.write(path, recording=source.path.name)
        return self.read(recording_id)

    def picture(self, recording_id: str, seconds: float) -> bytes:
        """What others will see at a time, as JPEG."""
        source = self._recordings.find(recording_id)
        path = self._path(source)
        picture = read_clip(source, np.array([seconds]))[0]
        return write_jpeg(mask_picture(picture, Masks.read(path), seconds) if path.exists() else picture)

    def _path(self, source: MediaSource) -> Path:
        return self._project.recordings / f"{source.video_id}_blurred.json"


def _version(path: Path) -> str:
    return f"{path.stat().st_mtime_ns:x}" if path.exists() else ""


def _told(mask: Mask, *, is_blurred: bool) -> ReviewedMask:
    keyframes = [(max(seconds, 0.0), *box) for seconds, box in mask.keyframes]
    return ReviewedMask(kind=mask.kind, score=mask.score, keyframes=keyframes, is_blurred=is_blurred)


def _mask(told: ReviewedMask) -> Mask:
    return Mask(tuple((seconds, tuple(box)) for seconds, *box in told.keyframes), told.score, told.kind)  # pyrefly: ignore[bad-argument-type]

"""The recordings of a project: what they are, facts that people add, and new ones that are uploaded."""

import json
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import anyio.to_thread

from egoact.core.annotations.parsing import VIDEO_SUFFIXES, normalise_video_id
from egoact.core.errors import MediaError
from egoact.core.files import rename, sync
from egoact.media.sources import MediaRoot, MediaSource
from egoact.media.video.chapters import is_copy_of, measure_files
from egoact.media.video.file import VideoFile, open_container
from egoact.media.video.writer import is_playable
from egoact.studio.database import Database
from egoact.studio.project import Project
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.recordings import RecordingChange

_BUFFER_BYTES = 4_000_000
_UPLOAD_PREFIX = ".upload-"
_EMPTY = {"note": "", "is_labelled": 0}  # what has to have a value


class Recordings:
    """What lies in the folders of recordings now; `changed` is called with the id of one that is other than before."""

    def __init__(self, project: Project, database: Database, changed: Callable[[str], None]) -> None:
        self._project, self._database, self._changed = project, database, changed
        self._naming = threading.Lock()
        self._copies = {is_quick: project.own / ("quick" if is_quick else "playable") for is_quick in (False, True)}
        for folder in self._copies.values():
            folder.mkdir(exist_ok=True)
        for leftover in project.recordings.glob(f"{_UPLOAD_PREFIX}*"):
            leftover.unlink()

    def find_all(self) -> tuple[dict[str, MediaSource], list[str]]:
        """Id -> recording, sorted, and what is wrong, a line each."""
        root = MediaRoot(self._project.media_folders)
        found: dict[str, MediaSource] = {}
        problems = []
        for video_id in root.video_ids:
            try:
                source = root.find(video_id)
            except MediaError as error:
                problems.append(str(error))
                continue
            if source.is_stills:
                problems.append(f"{source.path}: extracted frames cannot be played; only video files are shown")
            elif not self._project.owns(source.path):
                problems.append(f"{source.path}: leads out of the project; give its folder by --media")
            else:
                found[video_id] = source
        return found, problems

    def find(self, recording_id: str) -> MediaSource:
        """One of them; 404 for any other."""
        try:
            source = MediaRoot(self._project.media_folders).find(recording_id)
        except MediaError:
            source = None
        if source is None or source.is_stills or not self._project.owns(source.path):
            raise Refusal(404, f"there is no recording called '{recording_id[:80]}'")
        return source

    def probe(self, source: MediaSource) -> dict[str, Any]:
        """What the file says of itself; remembered for as long as it stays as it is."""
        return self.probe_all([source])[source.video_id]

    def probe_all(self, sources: Iterable[MediaSource]) -> dict[str, dict[str, Any]]:
        """Id -> what the file says of itself; what is new is looked at, and remembered together."""
        found, fresh = {}, []
        query = "SELECT * FROM probes WHERE path = ?"
        for source in sources:
            size, modified_ns = measure_files(source.path)
            row = self._database.row(query, str(source.path))
            if row is not None and (row["size"], row["mtime_ns"]) == (size, modified_ns):
                found[source.video_id] = json.loads(row["facts"])
                continue
            facts = found[source.video_id] = _probe(source.path) | {"size_bytes": size}
            fresh.append((str(source.path), size, modified_ns, json.dumps(facts)))
        if fresh:
            with self._database.transaction():
                for told in fresh:
                    self._database.execute("INSERT OR REPLACE INTO probes VALUES (?, ?, ?, ?)", *told)
        return found

    def playable(self, source: MediaSource) -> Path | None:
        """What browsers can play of it: the file, or the copy that was made of it as it is now."""
        if self.probe(source)["is_playable"]:
            return source.path
        copy = self.copy_path(source, is_quick=False)
        return copy if is_copy_of(copy, source.path) else None

    def quick(self, source: MediaSource) -> Path | None:
        """The copy in which browsers step at once, if one was made of the file as it is now."""
        copy = self.copy_path(source, is_quick=True)
        return copy if is_copy_of(copy, source.path) else None

    def copy_path(self, source: MediaSource, *, is_quick: bool) -> Path:
        """Where a copy for browsers belongs."""
        return self._copies[is_quick] / f"{source.video_id}.mp4"

    def facts(self) -> dict[str, dict[str, Any]]:
        """Id -> what people added."""
        return {row["id"]: dict(row) for row in self._database.rows("SELECT * FROM recordings")}

    def change(self, recording_id: str, change: RecordingChange) -> None:
        """Keep what a person says of a recording."""
        source = self.find(recording_id)
        values = change.model_dump(exclude_unset=True)
        with self._database.transaction():
            self._database.execute("INSERT OR IGNORE INTO recordings (id) VALUES (?)", source.video_id)
            for name, value in values.items():
                kept = value.isoformat() if isinstance(value, date) else value or _EMPTY.get(name)
                self._database.execute(f"UPDATE recordings SET {name} = ? WHERE id = ?", kept, source.video_id)
        self._changed(source.video_id)

    async def upload(self, file_name: str, parts: AsyncIterator[bytes], *, most_bytes: int) -> str:
        """Stream a file to disk under a name of its own, look whether it is a video, and give it its name.

        Refuses with 400 a name that cannot be, with 409 one that is taken, with 413 too large, with 415 no video.
        """
        name = self._check_name(file_name)
        part = self._project.recordings / f"{_UPLOAD_PREFIX}{secrets.token_hex(8)}{name.suffix.lower()}"
        try:
            with part.open("xb") as file:
                waiting, total = bytearray(), 0
                async for some in parts:
                    total += len(some)
                    if total > most_bytes:
                        raise too_large(most_bytes)
                    waiting += some
                    if len(waiting) >= _BUFFER_BYTES:
                        await anyio.to_thread.run_sync(file.write, bytes(waiting))
                        waiting.clear()
                file.write(waiting)
                file.flush()
                await anyio.to_thread.run_sync(sync, file.fileno())
            await anyio.to_thread.run_sync(self._admit, part, name)
        except OSError as error:
            raise Refusal(507, f"it cannot be kept: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)
        self._changed(name.stem)
        return normalise_video_id(name.stem)

    def reserve(self, file_name: str) -> Path:
        """Where a new recording of this name belongs; refuses names as `upload` does."""
        return self._project.recordings / self._check_name(file_name)

    def tell(self, recording_id: str) -> None:
        """Say that a recording is new."""
        self._changed(recording_id)

    def _admit(self, part: Path, name: Path) -> None:
        try:
            with VideoFile(part):
                pass
        except MediaError as error:
            raise Refusal(415, error.reason) from None
        with self._naming:
            self._check_name(str(name))
            rename(part, self._project.recordings / name)

    def _check_name(self, file_name: str) -> Path:
        name = normalise_video_id(file_name.strip())
        path = Path(name)
        if not name or name.startswith(".") or any(sign in name for sign in '/\\:*?"<>|') or not name.isprintable():
            raise Refusal(400, f"'{file_name[:80]}' cannot be the name of a file here")
        if path.suffix.lower() not in VIDEO_SUFFIXES or len(os.fsencode(name)) > 200:
            raise Refusal(400, f"a recording's name ends in {', '.join(VIDEO_SUFFIXES)}, and is at most 200 bytes long")
        taken = {video_id.lower() for video_id in MediaRoot(self._project.media_folders).video_ids}
        if path.stem.lower() in taken or (self._project.recordings / name).exists():
            raise Refusal(409, f"there is a recording called '{path.stem}' already")
        return path


def too_large(most_bytes: int) -> Refusal:
    """What is said of a recording that is larger than the server takes."""
    return Refusal(413, f"larger than {most_bytes / 1e9:g} GB, which --max-upload-gigabytes allows")


def _probe(path: Path) -> dict[str, Any]:
    """What a container says; decodes nothing."""
    facts: dict[str, Any] = dict.fromkeys(("duration_seconds", "frame_rate", "num_frames", "width", "height", "codec"))
    facts |= {"has_sound": False, "is_playable": False, "problem": None, "recorded_on": None}
    try:
        with open_container(path) as container:
            facts["has_sound"] = bool(container.streams.audio)
            made = container.metadata.get("creation_time", "")[:10]
        with VideoFile(path) as file:
            stream = file.stream
            made = made or stream.metadata.get("creation_time", "")[:10]  # of several chapters only streams say it
            rate = stream.average_rate or stream.guessed_rate
            facts |= {
                "duration_seconds": file.stated_seconds,
                "frame_rate": float(rate) if rate else None,
                "num_frames": stream.frames or None,
                "width": stream.codec_context.width,
                "height": stream.codec_context.height,
                "codec": stream.codec_context.name,
            }
        facts["is_playable"] = is_playable(path)
        facts["recorded_on"] = _day(made)
    except (MediaError, ValueError) as error:
        facts["problem"] = getattr(error, "reason", str(error))
    return facts


def _day(text: str) -> str | None:
    """A day as a camera wrote it; None where its clock was never set."""
    try:
        return None if date.fromisoformat(text).year < 1980 else text
    except ValueError:
        return None

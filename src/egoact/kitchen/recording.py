"""One recording: its identity, its story, its labels and its file."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from egoact.kitchen.cook.head import HEIGHT, WIDTH
from egoact.kitchen.film import FRAMES_PER_SECOND, Film
from egoact.kitchen.labels import NOUNS, VERBS, narration
from egoact.kitchen.rooms.scene import Scene
from egoact.kitchen.rooms.styles import STYLES
from egoact.kitchen.script.activity import write_script
from egoact.media.video.writer import write_video

LATER_PARTICIPANTS = ("P02", "P05")


@dataclass(frozen=True)
class Recording:
    """What decides every byte of one video.

    Args:
        participant: Index into `looks.STYLES`.
        number: 1 for a participant's first video.
        seed: Of the whole kitchen.
        num_segments: Labelled actions at least.
    """

    participant: int
    number: int
    seed: int
    num_segments: int

    @property
    def participant_id(self) -> str:
        """As in EPIC-KITCHENS: "P01"."""
        return STYLES[self.participant].participant_id

    @property
    def video_id(self) -> str:
        """Two digits at the end, or three for participants who joined later, as in EPIC-KITCHENS."""
        late = self.participant_id in LATER_PARTICIPANTS
        return f"{self.participant_id}_{self.number + 100 if late else self.number:02d}"

    @property
    def frame_rate(self) -> int:
        """Of the frame numbers in the labels, by EPIC-KITCHENS' rule: 60, or 50 for three-digit ids."""
        return 50 if len(self.video_id.rpartition("_")[2]) == 3 else 60

    def path(self, out: Path) -> Path:
        """Where its video belongs."""
        return out / "videos" / self.participant_id / "videos" / f"{self.video_id}.MP4"


def record(recording: Recording, out: Path) -> list[dict[str, object]]:
    """Render a recording unless its file is there; its rows of the segments CSV in order."""
    identity = [recording.seed, recording.participant, recording.number]
    scene = _scene(recording.participant)
    turn = recording.participant + recording.number * (len(STYLES) - 1)
    acts = write_script(scene, np.random.default_rng([*identity, 1]), num_acts=recording.num_segments, turn=turn)
    film = Film(scene, acts, np.random.default_rng([*identity, 2]))
    path = recording.path(out)
    if not path.is_file():
        cv2.setNumThreads(1)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, film.frames(), rate=FRAMES_PER_SECOND, width=WIDTH, height=HEIGHT)
    return [
        _row(recording, i, act.verb, act.noun, *span)
        for i, (act, span) in enumerate(zip(acts, film.spans, strict=True))
    ]


@lru_cache(maxsize=2)
def _scene(participant: int) -> Scene:
    return Scene(STYLES[participant])


def _row(recording: Recording, index: int, verb: str, noun: str, start: float, stop: float) -> dict[str, object]:
    rate, noun_class = recording.frame_rate, list(NOUNS).index(noun)
    return {
        "narration_id": f"{recording.video_id}_{index}",
        "participant_id": recording.participant_id,
        "video_id": recording.video_id,
        "narration_timestamp": timestamp(max(start - 0.2, 0.0)),
        "start_timestamp": timestamp(start),
        "stop_timestamp": timestamp(stop),
        "start_frame": int(np.floor(round(start * rate, 6))),
        "stop_frame": int(np.floor(round(stop * rate, 6))),
        "narration": narration(verb, noun),
        "verb": verb,
        "verb_class": list(VERBS).index(verb),
        "noun": noun,
        "noun_class": noun_class,
        "all_nouns": str([noun]),
        "all_noun_classes": str([noun_class]),
    }


def timestamp(seconds: float) -> str:
    """Seconds as "HH:MM:SS.ss"."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"

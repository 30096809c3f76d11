"""`egoact blur`: a recording that can be shown to others."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from egoact.core.progress import Progress, working

if TYPE_CHECKING:
    from egoact.privacy.masks import Mask, Masks


@dataclass(frozen=True)
class BlurSettings:
    """Blur the faces of a recording, and hide stretches of it, before it is shared or looked at by anybody else.

    Writes the masks beside OUT, as OUT's name with .json: look at them with --review first, correct or add some, and
    blur by them with --masks. Pictures keep their times, and sound stays, so that labels fit. No detector finds every
    face: look at the result before you share it.
    """

    video: Positional[Path]
    """Video file."""
    out: Path
    """File to write, .mp4."""
    review: bool = False
    """Write the masks alone."""
    masks: Path | None = None
    """Masks to blur by, as --review wrote them and you corrected them; no faces are looked for. With --review: faces
    are looked for anew, and all else in it stays."""
    hide: tuple[str, ...] = ()
    """Stretches that become black and silent, in seconds or clock times: 12.5-20 1:05-1:20."""
    rate: float = 10.0
    """Pictures a second to look for faces in; between them masks move in straight lines."""
    sure: float = 0.6
    """How sure the detector must once be of each face, 0 to 1; less: more faces, and more that are none."""
    face_model: Path | None = None
    """face_detection_full_range_sparse.tflite, or the wheel of mediapipe 0.10.21 that has it inside; without it that of
    the installed MediaPipe (`pip install --no-deps mediapipe==0.10.21`) is read, and none of it is imported."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        if self.out.suffix.lower() != ".mp4":
            raise ValueError(f"--out must end in .mp4, got {self.out}")
        if not 0 < self.rate <= 1000:
            raise ValueError(f"--rate must be a number above 0, got {self.rate}")
        if not 0 < self.sure <= 1:
            raise ValueError(f"--sure must be above 0 and at most 1, got {self.sure}")
        self.hidden()

    def hidden(self) -> list[tuple[float, float]]:
        """Stretches to hide, in seconds."""
        from egoact.core.annotations.parsing import parse_timestamp

        found = []
        for text in self.hide:
            start, dash, stop = text.partition("-")
            if not dash:
                raise ValueError(f"--hide takes stretches such as 12.5-20, got {text!r}")
            stretch = parse_timestamp(start), parse_timestamp(stop)
            if not stretch[0] < stretch[1]:
                raise ValueError(f"--hide {text}: the stop is not after the start")
            found.append(stretch)
        return found


def blur(settings: BlurSettings) -> int:
    """Write masks, and the recording without what they cover."""
    from egoact.core.errors import ArtifactError
    from egoact.core.files import make_folder
    from egoact.media.sound.reader import find_sound
    from egoact.privacy.blurring import write_masked
    from egoact.privacy.masks import Masks

    beside = settings.out.with_suffix(".json")
    written = [beside] if settings.review else [settings.out, *([beside] if settings.masks != beside else [])]
    for path in written:
        if path.exists() and not settings.overwrite:
            raise ArtifactError("is there already; --overwrite replaces it", path=path)
        if path.exists() and path.samefile(settings.video):
            raise ArtifactError("this is the recording itself; give another --out", path=path)
    seconds = find_sound(settings.video).length_seconds
    make_folder(settings.out.parent)
    given = Masks() if settings.masks is None else Masks.read(settings.masks)
    if settings.review:
        given = given.without("face")
    found = _find(settings, seconds) if settings.review or settings.masks is None else []
    masks = Masks([*given.masks, *found], [*given.hidden, *settings.hidden()], given.unmarked)
    if settings.review or settings.masks != beside:
        masks.write(beside, recording=settings.video.name)
    if not settings.review:
        with Progress(settings.video.name, total=round(seconds), unit="s") as progress:
            write_masked(settings.video, settings.out, masks, advance=progress.advance)
    _tell(settings, masks, beside)
    return 0


def _find(settings: BlurSettings, seconds: float) -> "list[Mask]":
    from egoact.engines.faces import FaceDetector
    from egoact.privacy.faces import find_faces

    with working("blur: loading the network"):
        detector = FaceDetector(settings.face_model)
    with Progress("looking for faces", total=round(seconds * settings.rate), unit="pictures") as progress:
        return find_faces(settings.video, detector, rate=settings.rate, sure=settings.sure, advance=progress.advance)


def _tell(settings: BlurSettings, masks: "Masks", beside: Path) -> None:
    shown = sum(mask.stop_seconds - max(mask.start_seconds, 0.0) for mask in masks.masks)
    hidden = sum(stop - start for start, stop in masks.hidden)
    print(f"{len(masks.masks)} masks, {shown:.0f} s together; {hidden:.0f} s hidden; see {beside}")
    if settings.review:
        print(f"next: correct {beside}, then give the same command with --masks {beside}", file=sys.stderr)
    else:
        print(f"{settings.out}: look at it before you share it; no detector finds every face")

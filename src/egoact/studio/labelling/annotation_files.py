"""Other programs' annotation files: theirs become labels, and labels become theirs."""

import io
import zipfile
from collections import Counter
from dataclasses import replace

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.catalogue import FORMATS, recognise
from egoact.core.annotations.formats.conversion import Encoded, decode_annotations, encode_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source
from egoact.core.annotations.formats.label_words import LabelWords
from egoact.core.errors import AnnotationError
from egoact.studio.labelling.label_files import microseconds
from egoact.studio.labelling.label_rows import label_word
from egoact.studio.labelling.labels import LabelBook
from egoact.studio.media.recordings import Recordings
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.labels import AddEdit, Edit, Edits, ExportNotes, Imported, LabelSegment, SegmentValues

POINT_SECONDS = 0.1
_MOST_NAMED = 3


class AnnotationFiles:
    """Import and export; formats ask for the file names, rates and lengths of recordings."""

    def __init__(self, labels: LabelBook, recordings: Recordings) -> None:
        self._labels, self._recordings = labels, recordings

    def take(
        self,
        annotator: str,
        source: Source,
        *,
        request_id: str,
        format_name: str | None = None,
        recording: str | None = None,
        fps: float | None = None,
        is_split: bool = False,
    ) -> Imported:
        """Add what a file says to somebody's labels; what is there already stays as it is.

        Args:
            annotator: Whose labels.
            source: The file.
            request_id: The same file sent again under this id changes nothing.
            format_name: Key of `FORMATS`; None: as it looks.
            recording: Whose annotations these are, where the file does not say it, or calls it otherwise.
            fps: Frames a second, where times are frames and the recording is not here.
            is_split: Whether labels of one text are a verb and a noun.

        Raises:
            Refusal: 415 where it cannot be read.
        """
        self._labels.check(annotator)
        known = self._known()
        if recording is not None:
            source = Source(f"{recording}{source.suffix}", source.content)
        try:
            read = decode_annotations(
                [source],
                format_name=format_name,
                options=ReadOptions(fps=fps, known=known.get),
                words=LabelWords(is_split=is_split),
            )
        except AnnotationError as error:
            raise Refusal(415, str(error)) from None
        items = _in_recording(read.annotations, recording, known)
        notes = [*read.lines, *_tell(items, known)]
        labels = self._labels.read(annotator)
        present = Counter(map(_content, labels.segments))
        ids = {segment.id for segment in labels.segments}
        edits: list[Edit] = []
        num_known = 0
        for item in items:
            try:
                edit = _edit(item, ids)
            except Refusal as refusal:
                notes.append(f"{item.place}: {refusal.reason}; left out")
                continue
            key = _content(edit.segment)
            if present[key] > 0:
                present[key] -= 1
                num_known += 1
                continue
            ids.add(edit.id or "")
            edits.append(edit)
        revision = labels.revision
        if edits:
            made = Edits.model_construct(request_id=request_id, edits=edits)  # more than a browser may send at once
            revision = self._labels.edit(annotator, made).revision
        name = format_name or recognise(source)
        return Imported(format=name, num_added=len(edits), num_known=num_known, revision=revision, notes=notes)

    def give(self, annotator: str, format_name: str, recording: str | None = None) -> tuple[ExportNotes, bytes]:
        """Somebody's labels, of one recording or of all, as a file or a ZIP archive; 404 for no such format."""
        if format_name not in FORMATS:
            raise Refusal(404, f"there is no format called '{format_name[:80]}'")
        segments = self._labels.read(annotator, recording).segments
        if not segments:
            raise Refusal(409, "there are no labels to export")
        items = tuple(_annotation(segment, annotator) for segment in segments)
        known = {name: one for name, one in self._known().items() if any(item.recording == name for item in items)}
        try:
            encoded = encode_annotations(Annotations(items, known), format_name)
        except AnnotationError as error:
            raise Refusal(409, str(error)) from None
        stem = annotator if recording is None else f"{recording} {annotator}"
        name, content = _one_file(encoded, stem)
        num_segments = len(items) - encoded.num_lost
        return ExportNotes(file_name=name, num_segments=num_segments, notes=list(encoded.lines)), content

    def _known(self) -> dict[str, Recording]:
        found = {}
        for name, source in self._recordings.find_all()[0].items():
            facts = self._recordings.probe(source)
            found[name] = Recording(name, source.path.name, facts["frame_rate"], facts["duration_seconds"])
        return found


def _in_recording(annotations: Annotations, recording: str | None, known: dict[str, Recording]) -> list[Annotation]:
    """With the recording that the person named, where the file speaks of one that is not here."""
    strange = {item.recording for item in annotations} - known.keys()
    if recording is None or len(strange) != 1:
        return list(annotations)
    return [replace(i, recording=recording) if i.recording in strange else i for i in annotations]


def _edit(item: Annotation, ids: set[str]) -> AddEdit:
    note = "; ".join(dict.fromkeys(text for text in (item.note, item.description) if text and text != item.label))
    stop = item.stop_seconds if not item.is_point else item.start_seconds + POINT_SECONDS
    return AddEdit(
        op="add",
        id=item.identity if item.identity and item.identity not in ids else None,
        segment=SegmentValues(
            recording_id=item.recording,
            start_seconds=item.start_seconds,
            stop_seconds=stop,
            verb=label_word(item.verb or None),
            noun=label_word(item.noun or None),
            hand=item.hand or None,
            note=note,
        ),
    )


def _annotation(segment: LabelSegment, annotator: str) -> Annotation:
    return Annotation(
        recording=segment.recording_id,
        start_seconds=segment.start_seconds,
        stop_seconds=segment.stop_seconds,
        verb=segment.verb or "",
        noun=segment.noun or "",
        hand=segment.hand or "",
        note=segment.note,
        annotator=annotator,
        participant=segment.recording_id.partition("_")[0],
        identity=segment.id,
    )


def _content(segment: LabelSegment | SegmentValues) -> tuple[object, ...]:
    times = (microseconds(segment.start_seconds) // 1000, microseconds(segment.stop_seconds) // 1000)
    return (segment.recording_id, *times, segment.verb, segment.noun, segment.hand)


def _tell(items: list[Annotation], known: dict[str, Recording]) -> list[str]:
    lines = []
    if missing := Counter(item.recording for item in items if item.recording not in known):
        names = ", ".join(f"'{name}'" for name in list(missing)[:_MOST_NAMED])
        lines.append(f"{sum(missing.values())} segments are of recordings that are not here, such as {names}")
    if points := sum(item.is_point for item in items):
        lines.append(f"{points} events without length now last {POINT_SECONDS} s")
    tiers = {item.tier for item in items if item.tier and item.tier not in ("verb", "noun")}
    if len(tiers) > 1:
        names = ", ".join(f"'{tier}'" for tier in sorted(tiers)[:_MOST_NAMED])
        lines.append(f"labels have no tiers: those of the file, such as {names}, lie in one")
    return lines


def _one_file(encoded: Encoded, stem: str) -> tuple[str, bytes]:
    if len(encoded.files) == 1:
        return f"{stem}{encoded.suffix}", next(iter(encoded.files.values()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(encoded.files.items()):
            archive.writestr(zipfile.ZipInfo(f"{name}{encoded.suffix}"), content)
    return f"{stem} {encoded.format_name}.zip", packed.getvalue()

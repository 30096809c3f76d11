"""`egoact import-features`: features that others made, and their labels of frames, to a store and segments CSVs."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from egoact.commands.flags import check_least

if TYPE_CHECKING:
    from egoact.extraction.importing import Imported


@dataclass(frozen=True, kw_only=True)
class ImportFeaturesSettings:
    """Take over features that others made, in the layout of MS-TCN's data sets (GTEA, 50Salads, Breakfast).

    Reads features/*.npy (or *.npy) of a folder, one file a recording; and where they are there, groundTruth/*.txt (a
    word for each frame), mapping.txt and splits/*.bundle. Writes a feature store for egoact train-timeline, and a
    segments CSV of everything and of each bundle.
    """

    folder: Positional[Path]
    """Folder with the features."""
    out: Path
    """Feature store to write; more recordings can be added to it later."""
    rate: int
    """Frames a second of features and labels: 15 for GTEA and Breakfast, 30 for 50Salads."""
    labels: Path | None = None
    """Folder for segments.csv, verb_classes.csv and a CSV for each bundle; default: labels/ in --out."""
    name: str | None = None
    """What to call these features: a run takes only those of the name that it was trained on. Default: the name of the
    folder."""
    layout: Literal["auto", "DxF", "FxD"] = "auto"
    """Shape of the files: D numbers of F frames, or F frames of D numbers; auto: what fits labels and other files."""
    background: tuple[str, ...] = ("background",)
    """Words which say that nothing happens; 50Salads also has action_start and action_end, Breakfast SIL, which the
    published evaluation takes for actions."""

    overwrite: bool = False
    """Replace other labels that are in --labels; without it they are left as they are."""

    def __post_init__(self) -> None:
        check_least(self, 1, "rate")
        if self.name is not None and not self.name.strip():
            raise ValueError("--name is empty")


def import_features(settings: ImportFeaturesSettings) -> int:
    """Write the store and the CSVs; gives the number of recordings and bundles that cannot be used."""
    from egoact.core.progress import Progress
    from egoact.extraction.importing import ForeignFolder, import_folder

    found = ForeignFolder.find(settings.folder)
    with Progress("import", total=len(found.features), unit="recordings") as progress:
        result = import_folder(
            found,
            settings.out,
            settings.labels or settings.out / "labels",
            rate=settings.rate,
            name=settings.name or settings.folder.resolve().name,
            layout=None if settings.layout == "auto" else settings.layout,
            background=settings.background,
            overwrite=settings.overwrite,
            advance=progress.advance,
        )
    _tell(result, settings)
    return len(result.problems)


def _tell(result: "Imported", settings: ImportFeaturesSettings) -> None:
    for problem in result.problems:
        print(f"import-features: {problem}", file=sys.stderr)
    assert result.reading is not None
    known = f" ({result.num_known} of them were there before)" if result.num_known else ""
    print(
        f"{result.num_added + result.num_known} recordings{known} of {result.num_frames:,} frames in {settings.out}; "
        f"files are {result.reading.layout}, {result.reading.num_channels} numbers a frame"
    )
    if result.trimmed:
        print(
            f"features and labels of {len(result.trimmed)} recordings differ in length and were cut to the shorter, "
            f"such as {result.trimmed[0]}"
        )
    if result.num_unlabelled:
        print(f"{result.num_unlabelled} recordings have no labels")
    for note in result.notes:
        print(note)
    for path in result.files:
        print(f"wrote {path}")

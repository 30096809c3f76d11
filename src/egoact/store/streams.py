"""A features folder with several streams, side by side by name; each is a store of its own.

    FEATURES/                      rgb: features of frames
    FEATURES/streams/grid/         of the four quarters of frames
    FEATURES/streams/difference/   of the difference of a frame and an earlier one
    FEATURES/streams/motion/       what moves between the two

So one can be added without computing another again. They are of the same frames: one size, one rate and one network.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import IMPORTED, STREAMS, BackboneSpec
from egoact.store.copies import local_copy
from egoact.store.layout.manifest import MANIFEST_NAME, read_manifest
from egoact.store.reader import check_is_free

STREAMS_NAME = "streams"


def stream_path(features: Path, name: str) -> Path:
    """Where a stream of a features folder is, whether it is there or not."""
    return features / STREAMS_NAME / name if name in STREAMS[1:] else features


def find_streams(features: Path) -> dict[str, Path]:
    """The streams of a features folder: name -> its store, in the order of `STREAMS`.

    The folder's own store comes first where it is none of these, such as one of optical flow.

    Raises:
        ArtifactError: There is none, or the manifest of the folder's own store is damaged.
    """
    found = list_streams(features)
    if not found:
        read_manifest(features)  # says that there is none
    return found


def choose_streams(folders: Sequence[Path], names: Sequence[str] = ()) -> list[Path]:
    """The stores of some features folders; of those behind URLs, copies on this machine.

    Each folder gives those of the named streams that it has, in the order of `STREAMS`; without names all that it has.

    Raises:
        ArtifactError: A folder that has none of them, or a stream that no folder has.
    """
    each = [find_streams(local_copy(folder)) for folder in folders]
    wanted = set(names) or {name for found in each for name in found}
    for folder, found in zip(folders, each, strict=True):
        if not wanted & found.keys():
            raise ArtifactError(missing_streams(sorted(wanted, key=_order), found, folder), path=folder)
    lost = sorted(wanted.difference(*each), key=_order)
    if lost:
        raise ArtifactError(missing_streams(lost, each[-1], folders[-1]), path=folders[-1])
    return [path for found in each for name, path in found.items() if name in wanted]


def check_fits(features: Path, spec: BackboneSpec, *, rate: int) -> None:
    """Refuse a stream of other frames than the folder's, or a folder of something else: an `ArtifactError`."""
    name = spec.stream
    if not is_store(features):
        check_is_free(features)
    for other, path in list_streams(features).items():
        if path == stream_path(features, name) and other != IMPORTED:
            continue  # the store itself says what is wrong
        manifest = read_manifest(path)
        known = manifest.backbone
        if not (_may_stand_beside_others(known) and _may_stand_beside_others(spec)):
            reason = "maps, and features of flow, video or stacks, or made by others, are not beside other streams"
            what = "imported features are" if other == IMPORTED else f"there is {other}"
            raise ArtifactError(f"{what} here already: {reason}; give another folder", path=features)
        ours = _shared_facts(spec, known, rate)
        for fact, here in _shared_facts(known, spec, manifest.rate).items():
            if here != ours[fact]:
                reason = f"{other} here has {fact} {here}, {name} would have {ours[fact]}"
                raise ArtifactError(f"{reason}; streams of one folder must agree", path=features)


def list_streams(features: Path) -> dict[str, Path]:
    """As `find_streams`; nothing where there is none."""
    own = {read_manifest(features).backbone.stream: features} if is_store(features) else {}
    paths = {name: stream_path(features, name) for name in STREAMS if name != "rgb"}
    return own | {name: path for name, path in paths.items() if is_store(path)}


def _may_stand_beside_others(spec: BackboneSpec) -> bool:
    return spec.kind == "pooled" and spec.modality not in ("flow", "video", IMPORTED) and spec.stack == 1


def _shared_facts(spec: BackboneSpec, other: BackboneSpec, rate: int) -> dict[str, object]:
    """What of a stream must be the same in another one of the same frames."""
    facts: dict[str, object] = {"rate": rate, "size": spec.input_size[0]}
    if spec.has_network and other.has_network:
        facts |= {"backbone": spec.name, "cut": spec.cut}
        if spec.grid == other.grid:
            facts["weights"] = spec.weights_hash[:12]
    return facts


def is_store(folder: Path) -> bool:
    """Whether a feature store has been begun here."""
    return (folder / MANIFEST_NAME).is_file()


def missing_streams(lost: Sequence[str], found: Iterable[str], features: Path) -> str:
    """What to say of streams that are not in a features folder, beside those that are."""
    if IMPORTED in lost:
        return f"there are no imported features here, only {', '.join(found)}; egoact import-features brings them in"
    what = f"{'stream' if len(lost) == 1 else 'streams'} {' '.join(lost)}"
    add = f"egoact extract --streams {' '.join(lost)} --media FOLDER --features {features}"
    return f"there is no {what} here, only {', '.join(found)}; add it with {add}"


def _order(name: str) -> int:
    return STREAMS.index(name) if name in STREAMS else -1

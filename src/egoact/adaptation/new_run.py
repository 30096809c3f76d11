"""A run with another backbone of its own: what it knows about actions stays, or comes from a training."""

from dataclasses import replace
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, check_folder
from egoact.models.backbones.own_files import FILE_NAME, OwnFile, write_own_file
from egoact.models.backbones.registry import assemble
from egoact.models.backbones.spec import BackboneSpec, seen_as
from egoact.models.backbones.trunks import Trunk
from egoact.runs.loading import Run
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import Recognizer
from egoact.runs.segmenter import TrainedSegmenter
from egoact.runs.streams import load_as


def network_spec(run: Run) -> BackboneSpec:
    """What the one network of a run is.

    Raises:
        ArtifactError: It has none.
    """
    networks = [spec for spec in run.backbones if spec.has_network]
    if not networks:
        raise ArtifactError("this run looks at motion alone, which no network computes", path=run.path)
    return networks[0]


def check_is_free(out: Path, *, own: tuple[str, ...]) -> None:
    """Refuse to write over what is there, but for files that an earlier, killed command left: an `ArtifactError`."""
    check_folder(out)
    known = (*own, LOCK_NAME)
    others = [p.name for p in out.iterdir() if p.name.removesuffix(".part") not in known] if out.is_dir() else []
    if others:
        raise ArtifactError(f"this folder holds something already ({others[0]}); give another --out", path=out)


def write_backbone(out: Path, trunk: Trunk, spec: BackboneSpec, *, made_by: str) -> None:
    """The file of a backbone in the folder of a run, and proof that it is read back as it was written.

    Raises:
        ArtifactError: The file gives another backbone.
    """
    path, size = out / FILE_NAME, spec.input_size[0]
    write_own_file(path, trunk.model, OwnFile(spec.name, size, made_by), described=trunk.described)
    ours = assemble(spec.name, trunk, cut=spec.cut, size=size, kind=spec.kind, grid=spec.grid).spec
    if load_as(spec, weights=path).spec != ours:
        path.unlink()
        raise ArtifactError(f"{spec.name}: its layers cannot be kept in a file of weights", path=path)


def write_run(run: Run, out: Path, spec: BackboneSpec, *, provenance: Provenance | None = None) -> None:
    """A run that knows what another one knows, on the backbone that is in its folder already.

    The spec has the name of its backbone. Without provenance the new one was trained on the same as the other.
    """
    own = out / FILE_NAME
    specs = tuple(
        seen_as(load_as(replace(old, name=spec.name), weights=own).spec, old) if old.has_network else old
        for old in run.backbones
    )
    if (known := provenance or Provenance.read(run.path)) is not None:
        known.write(out)
    if isinstance(run.answers, TrainedSegmenter):
        TrainedSegmenter(replace(run.answers.config, backbones=specs), run.answers.model).save(out)
    else:
        config = replace(run.answers.config, backbone=specs[0], stacked=specs[1:])
        Recognizer(config, run.answers.model).save(out)

"""The streams that a run needs, on fast engines: whatever looks at recordings with a run has its features from here."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.errors import ArtifactError
from egoact.core.progress import working
from egoact.engines.interface import EngineChoice
from egoact.engines.streams import StreamEngine, build_streams
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.spec import BackboneSpec, check_same_backbone, seen_as

if TYPE_CHECKING:
    from egoact.engines.interface import Engine
    from egoact.models.backbones.registry import Backbone


def load_stream_engine(
    specs: Sequence[BackboneSpec], choice: EngineChoice, *, precision: str, run: Path
) -> StreamEngine:
    """Put the network of some streams, in the order in which their features are wanted, on an engine.

    The precision is that of the features which the run was trained on.

    Raises:
        ArtifactError: Streams of several networks or of optical flow, or weights that are here are others.
    """
    from egoact.engines.loading import find_device, load_engine

    check_one_network(specs, run)
    networks = [spec for spec in specs if spec.has_network]

    def load(backbone: "Backbone") -> "Engine":
        wanted = choice.precision
        if wanted == "auto":
            wanted = trusted_precision(precision, choice.engine, find_device(choice.device, choice.engine))
        return load_engine(backbone, engine=choice.engine, precision=wanted, device=choice.device)

    with working("loading the network"):
        backbones = load_specs(networks, choice, run=run)
        return StreamEngine(build_streams(specs, backbones, load))


def load_spec(spec: BackboneSpec, choice: EngineChoice, *, run: Path) -> "Backbone":
    """The network of a stream.

    Raises:
        ArtifactError: The weights that are here are others.
    """
    return load_specs([spec], choice, run=run)[spec.grid]


def load_as(spec: BackboneSpec, *, weights: Path | None) -> "Backbone":
    """The network that a spec names, cut and used as it says, with the weights of a file; None: the published ones."""
    return _load_grids([spec], weights=weights)[spec.grid]


def load_specs(specs: Sequence[BackboneSpec], choice: EngineChoice, *, run: Path) -> "dict[int, Backbone]":
    """Grid -> the network of some streams, which is one but for how it pools; errors as `load_spec`."""
    found = _load_grids(specs, weights=weights_of(run, choice))
    for spec in specs:
        check_same_backbone(seen_as(found[spec.grid].spec, spec), spec, path=run)
    return found


def _load_grids(specs: Sequence[BackboneSpec], *, weights: Path | None) -> "dict[int, Backbone]":
    from egoact.models.backbones.registry import load_grids

    if not specs:
        return {}
    first = specs[0]
    return load_grids(
        first.name,
        {spec.grid for spec in specs},
        weights=weights,
        cut=first.cut,
        size=first.input_size[0],
        kind=first.kind,
        channels=first.num_channels,
    )


def check_flow(root: FlowRoot, video_ids: Iterable[str], spec: BackboneSpec, *, run: Path) -> None:
    """Refuse flow with the camera's own motion for a run that knows it without, and the other way round.

    Raises:
        MediaError: The recordings differ among themselves.
        ArtifactError: Names what the run needs.
    """
    if root.is_without_camera(video_ids) != spec.without_camera:
        which, flag = ("without", " --without-camera") if spec.without_camera else ("with", "")
        reason = f"this run looks at flow {which} the camera's motion (egoact flow{flag})"
        raise ArtifactError(f"{reason}, the flow in {root.path} is of the other kind", path=run)


def weights_of(run: Path, choice: EngineChoice) -> Path | None:
    """The file of a run's weights: the one that was chosen, or that it carries; None: the published ones."""
    from egoact.models.backbones.own_files import FILE_NAME

    own = run / FILE_NAME
    return own if choice.weights is None and own.is_file() else choice.weights


def check_one_network(specs: Sequence[BackboneSpec], run: Path) -> None:
    """Refuse streams that are not computed from the same frames by one network.

    Raises:
        ArtifactError: Names them; or features that were imported.
    """
    if imported := [spec.name for spec in specs if spec.is_imported]:
        reason = (
            f"this run needs features that were imported ({', '.join(imported)}), and cannot be computed from pictures"
        )
        raise ArtifactError(f"{reason}; of a store that has them: egoact predict --features STORE", path=run)
    if any(spec.modality in ("flow", "video") or spec.stack > 1 for spec in specs):
        if len(specs) == 1:
            whats = {"flow": "optical flow", "video": "windows of video"}
            what = whats.get(specs[0].modality, "stacks of differences")
            reason = f"this run looks at {what}, and answers about stored features; here it would get frames"
            raise ArtifactError(reason, path=run)
        raise _several(specs, run)
    networks = {(s.name, s.cut, s.kind, s.mean, s.std) for s in specs if s.has_network}
    weights = {s.grid: s.weights_hash for s in specs if s.has_network}
    is_one = len(networks) <= 1 and all(weights[s.grid] == s.weights_hash for s in specs if s.has_network)
    has_maps = any(spec.kind == "maps" for spec in specs)
    if not is_one or len({spec.input_size for spec in specs}) > 1 or (has_maps and len(specs) > 1):
        raise _several(specs, run)


def _several(specs: Sequence[BackboneSpec], run: Path) -> ArtifactError:
    names = ", ".join(spec.title for spec in specs)
    return ArtifactError(f"this run needs features of several backbones ({names}), here one can be run", path=run)


def trusted_precision(trained: str, engine: str, device: str) -> str:
    """That of the training features, or float32: int8 would need their graph, and this machine may lack bf16."""
    from egoact.engines.loading import offered_pairs

    offered = {precision for _, precision in offered_pairs(engine, "auto", device)}
    return trained if trained in offered else "f32"

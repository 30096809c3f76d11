"""From a repository of the hub to a run: files by name, checked like any run that somebody else made."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.errors import ArtifactError, InputError
from egoact.core.files import make_folder, rename
from egoact.hub.reaching import open_hub, reaching
from egoact.hub.run_files import MOST_BYTES, make_a_run
from egoact.models.names import BACKBONE_FILE
from egoact.runs.exported import is_export
from egoact.runs.loading import Run, load_run
from egoact.runs.streams import load_spec

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo


def pull(name: str, out: Path, *, revision: str | None = None, endpoint: str | None = None) -> Run:
    """Get a run from the hub; its folder appears when it is whole and was checked.

    Args:
        name: Repository, "OWNER/NAME".
        out: Folder to make.
        revision: Branch, tag or commit; None: the newest.
        endpoint: Address of the hub; None: as `huggingface_hub` finds it.

    Raises:
        ArtifactError: A folder that holds something, a hub that cannot be reached, no such repository, none of a run of
            egoact, or a run that is damaged.
        ValueError: A name that no repository can have.
    """
    _check_is_free(out)
    hub = open_hub(endpoint)
    with reaching(hub, name):
        info = hub.model_info(name, revision=revision, files_metadata=True)
    sizes = _wanted(info, name)
    make_folder(out.parent)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".part") as place:
        folder = Path(place, "run")
        folder.mkdir()
        for each, size in sizes.items():
            _get(hub, info, name, each, folder / each, size=size)
        try:
            _check(folder)
        except InputError as error:
            inside = None if error.path is None or error.path == folder else error.path.name
            raise ArtifactError(f"this is no run that can be used: {error.reason}", path=name, place=inside) from error
        if out.is_dir():
            out.rmdir()
        rename(folder, out)
    return load_run(out)


def _check_is_free(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ArtifactError("this holds something already; give another --out", path=out)


def _wanted(info: "ModelInfo", name: str) -> dict[str, int]:
    """Files of the run -> bytes."""
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or () if each.rfilename in MOST_BYTES}
    if not make_a_run(sizes):
        raise ArtifactError("this repository holds no run of egoact: config.json with its weights or graphs", path=name)
    for each, size in sizes.items():
        if size > MOST_BYTES[each]:
            reason = f"larger than {MOST_BYTES[each] / 2**20:,.0f} MiB, which nothing of its kind is"
            raise ArtifactError(reason, path=name, place=each)
    return sizes


def _get(hub: "HfApi", info: "ModelInfo", name: str, each: str, path: Path, *, size: int) -> None:
    """Download a file of the commit that was looked at, past the cache; all else that the library leaves stays away."""
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as place:
        with reaching(hub, name):
            found = Path(hub.hf_hub_download(name, each, revision=info.sha, local_dir=place))
        if found.stat().st_size != size:
            raise ArtifactError(f"{found.stat().st_size:,} bytes came, {size:,} were announced", path=name, place=each)
        found.rename(path)


def _check(folder: Path) -> None:
    """Load everything that a run loads before it answers; errors as `load_run`."""
    run = load_run(folder)
    if is_export(folder):
        run.engine  # noqa: B018
    elif (folder / BACKBONE_FILE).is_file():
        for spec in run.backbones:
            if spec.has_network:
                load_spec(spec, run.choice, run=folder)

"""A run to a repository of the hub, in one commit; and back, checked like any run of somebody else.

Files go by their names; nothing else is pushed, and nothing else is pulled:

    run       config.json, model.safetensors, backbone.safetensors (of a backbone of its own)
    export    config.json, export.json, labels.json and the graphs that export.json lists
    either    README.md (the model card), trained_on.json, metrics.json
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.bounds import MOST_JSON_BYTES
from egoact.core.errors import ArtifactError, InputError
from egoact.core.files import make_folder, rename
from egoact.hub.card import write_card
from egoact.models.names import BACKBONE_FILE
from egoact.runs.exported import EXPORT_NAME, LABELS_NAME, is_export
from egoact.runs.graph_files import GRAPH_NAMES, SUFFIXES
from egoact.runs.loading import Run, load_run
from egoact.runs.provenance import PROVENANCE_NAME
from egoact.runs.recognizer import CONFIG_NAME, WEIGHTS_NAME
from egoact.runs.streams import load_spec
from egoact.training.run_folder import METRICS_NAME

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

_CARD_NAME = "README.md"
_JSON = (CONFIG_NAME, PROVENANCE_NAME, METRICS_NAME, EXPORT_NAME, LABELS_NAME)
_WEIGHTS = (
    WEIGHTS_NAME,
    BACKBONE_FILE,
    *(f"{name}{suffix}" for name in GRAPH_NAMES for suffixes in SUFFIXES.values() for suffix in suffixes),
)

_MOST_BYTES: dict[str, int] = {
    _CARD_NAME: 2**20,
    **dict.fromkeys(_JSON, MOST_JSON_BYTES),
    **dict.fromkeys(_WEIGHTS, 16 * 2**30),
}
"""Name of a file of a run -> how large it can be."""

_LOG_IN = "hf auth login, or the environment variable HF_TOKEN, says who you are"


def push(
    path: Path, name: str, *, private: bool = False, license: str | None = None, endpoint: str | None = None
) -> tuple[str, list[str]]:
    """Put a run on the hub; files of a run that was there before, and that this one has not, are taken away.

    Args:
        path: Run directory, or exported folder.
        name: Repository, "OWNER/NAME"; it is made if it does not exist.
        private: Of a new repository: for nobody else to see.
        license: For the model card, as the hub names licences.
        endpoint: Address of the hub; None: as `huggingface_hub` finds it.

    Returns:
        Address of the commit, and the names of the files that the repository then has of the run.

    Raises:
        ArtifactError: Not a run, nobody logged in, or a hub that cannot be reached or does not allow it.
        ValueError: A name that no repository can have.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    run = load_run(path)
    ours: dict[str, Path | bytes] = {each: path / each for each in _MOST_BYTES if (path / each).is_file()}
    ours.setdefault(_CARD_NAME, write_card(run, name, license=license).encode())
    if get_token() is None:
        raise ArtifactError(f"you are not logged in to the hub: {_LOG_IN}")
    hub = HfApi(endpoint=endpoint, library_name="egoact")
    with _reaching(hub, name):
        hub.create_repo(name, private=private, exist_ok=True)
        there = {each.rfilename for each in hub.model_info(name).siblings or ()}
        commit = hub.create_commit(
            name,
            [
                *(CommitOperationAdd(each, content) for each, content in ours.items()),
                *(CommitOperationDelete(each) for each in sorted(there & _MOST_BYTES.keys() - ours.keys())),
            ],
            commit_message=f"A run of egoact: {run.title}",
        )
    return str(commit.commit_url), list(ours)


def pull(name: str, out: Path, *, revision: str | None = None, endpoint: str | None = None) -> Run:
    """Get a run from the hub; its folder appears when it is whole and was checked.

    Args:
        name: Repository, "OWNER/NAME".
        out: Folder to make.
        revision: Branch, tag or commit; None: the newest.
        endpoint: As `push` takes it.

    Raises:
        ArtifactError: A folder that holds something, a hub that cannot be reached, no such repository, none of a run of
            egoact, or a run that is damaged.
        ValueError: A name that no repository can have.
    """
    from huggingface_hub import HfApi

    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ArtifactError("this holds something already; give another --out", path=out)
    hub = HfApi(endpoint=endpoint, library_name="egoact")
    with _reaching(hub, name):
        info = hub.model_info(name, revision=revision, files_metadata=True)
    sizes = _wanted(info, name)
    make_folder(out.parent)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".part") as place:
        folder = Path(place, "run")
        folder.mkdir()
        for each, size in sizes.items():
            _get(hub, info, name, folder / each, size=size)
        try:
            _check(folder)
        except InputError as error:
            inside = None if error.path is None or error.path == folder else error.path.name
            raise ArtifactError(f"this is no run that can be used: {error.reason}", path=name, place=inside) from error
        if out.is_dir():
            out.rmdir()
        rename(folder, out)
    return load_run(out)


def _wanted(info: "ModelInfo", name: str) -> dict[str, int]:
    """Files of the run -> bytes."""
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or () if each.rfilename in _MOST_BYTES}
    if CONFIG_NAME not in sizes or not (WEIGHTS_NAME in sizes or EXPORT_NAME in sizes):
        raise ArtifactError("this repository holds no run of egoact: config.json with its weights or graphs", path=name)
    for each, size in sizes.items():
        if size > _MOST_BYTES[each]:
            reason = f"larger than {_MOST_BYTES[each] / 2**20:,.0f} MiB, which nothing of its kind is"
            raise ArtifactError(reason, path=name, place=each)
    return sizes


def _get(hub: "HfApi", info: "ModelInfo", name: str, path: Path, *, size: int) -> None:
    """Download a file of the commit that was looked at, past the cache; all else that the library leaves stays away."""
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as place:
        with _reaching(hub, name):
            found = Path(hub.hf_hub_download(name, path.name, revision=info.sha, local_dir=place))
        if (came := found.stat().st_size) != size:
            raise ArtifactError(f"{came:,} bytes came, {size:,} were announced", path=name, place=path.name)
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


@contextmanager
def _reaching(hub: "HfApi", name: str) -> Iterator[None]:
    """Calls of the library about a repository, whose errors become an `ArtifactError` of one line."""
    from huggingface_hub import errors
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")  # it tells of every attempt
    level = logger.level
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    except (InputError, ValueError):
        raise
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        what = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        reason = f"there is no such {what} at {hub.endpoint}, or it is private: {_LOG_IN}"
        raise ArtifactError(reason, path=name) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            reason = f"{hub.endpoint} does not allow this (status {status}): {_LOG_IN}"
        else:
            reason = f"{hub.endpoint} answers with status {status}: {_first_line(error)}"
        raise ArtifactError(reason, path=name) from error
    except Exception as error:  # each version has another client underneath, with types of its own
        reason = f"{hub.endpoint} cannot be reached, or broke off ({_first_line(error)})"
        raise ArtifactError(reason, path=name) from error
    finally:
        logger.setLevel(level)
        enable_progress_bars()


def _first_line(error: BaseException) -> str:
    """Of what was wrong in the first place."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0] if str(error) else type(error).__name__

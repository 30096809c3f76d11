"""From a run to a repository of the hub, in one commit."""

from pathlib import Path

from egoact.hub.card import write_card
from egoact.hub.reaching import check_logged_in, open_hub, reaching
from egoact.hub.run_files import CARD_NAME, MOST_BYTES, list_files
from egoact.runs.loading import load_run


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
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    run = load_run(path)
    ours: dict[str, Path | bytes] = {each.name: each for each in list_files(path)}
    ours.setdefault(CARD_NAME, write_card(run, name, license=license).encode())
    check_logged_in()
    hub = open_hub(endpoint)
    with reaching(hub, name):
        hub.create_repo(name, private=private, exist_ok=True)
        there = {each.rfilename for each in hub.model_info(name).siblings or ()}
        commit = hub.create_commit(
            name,
            [
                *(CommitOperationAdd(each, content) for each, content in ours.items()),
                *(CommitOperationDelete(each) for each in sorted(there & MOST_BYTES.keys() - ours.keys())),
            ],
            commit_message=f"A run of egoact: {run.title}",
        )
    return str(commit.commit_url), list(ours)

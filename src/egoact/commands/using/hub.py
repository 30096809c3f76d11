"""`egoact hub push` and `egoact hub pull`: runs on the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """Put a run on the Hugging Face hub, with a model card.

    Sends config.json, the weights or graphs, trained_on.json (which names the training recordings), metrics.json and
    README.md, and nothing else of the folder. Takes hf auth login, or the environment variable HF_TOKEN.
    """

    run: Path
    """Run directory of egoact train or train-timeline, or folder of egoact export; its README.md is its card, where it
    has one."""
    name: str
    """Repository, OWNER/NAME; made if it does not exist."""
    private: bool = False
    """A new repository is for nobody else to see."""
    license: str | None = None
    """Licence in the card, as the hub names it: mit, cc-by-4.0."""
    endpoint: str | None = None
    """Address of the hub; default: the environment variable HF_ENDPOINT, or Hugging Face's own."""


@dataclass(frozen=True, kw_only=True)
class PullSettings:
    """Get a run from the Hugging Face hub.

    Takes the files that a run is made of, safetensors or graphs, and nothing that could be executed; OUT appears when
    they have been checked.
    """

    name: str
    """Repository, OWNER/NAME."""
    out: Path
    """Run directory to write."""
    revision: str | None = None
    """Branch, tag or commit; default: the newest."""
    endpoint: str | None = None
    """Address of the hub; default: the environment variable HF_ENDPOINT, or Hugging Face's own."""


HubSettings = (
    Annotated[PushSettings, tyro.conf.subcommand("push", description=PushSettings.__doc__)]
    | Annotated[PullSettings, tyro.conf.subcommand("pull", description=PullSettings.__doc__)]
)


def hub(settings: PushSettings | PullSettings) -> int:
    """Do what was asked; 0, or an error."""
    from egoact.core.progress import working
    from egoact.hub import pull, push

    if isinstance(settings, PushSettings):
        with working("hub: sending the run"):
            address, names = push(
                settings.run,
                settings.name,
                private=settings.private,
                license=settings.license,
                endpoint=settings.endpoint,
            )
        print(f"hub: {address}: {', '.join(names)}")
        return 0
    with working("hub: getting the run"):
        run = pull(settings.name, settings.out, revision=settings.revision, endpoint=settings.endpoint)
    targets = ", ".join(f"{each.size} {target} classes" for target, each in run.answers.config.vocabularies.items())
    print(f"hub: {settings.out}: {run.title}, {targets}")
    return 0

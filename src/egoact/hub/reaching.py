"""What `huggingface_hub` says of networks, tokens and repositories, in one line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from egoact.core.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_LOG_IN = "hf auth login, or the environment variable HF_TOKEN, says who you are"


def open_hub(endpoint: str | None) -> "HfApi":
    """The hub at an address; None: that of the environment variable HF_ENDPOINT, or Hugging Face's own."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint, library_name="egoact")


def check_logged_in() -> None:
    """Refuse to write to the hub as nobody: an `ArtifactError`."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise ArtifactError(f"you are not logged in to the hub: {_LOG_IN}")


@contextmanager
def reaching(hub: "HfApi", name: str) -> Iterator[None]:
    """Calls of the library whose errors become an `ArtifactError` of one line.

    Args:
        hub: Who is called.
        name: Repository that is asked about.

    Raises:
        ArtifactError: Not reached, not allowed, or not there.
        ValueError: A name that no repository can have.
    """
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

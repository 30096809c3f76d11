"""`egoact studio`: a project folder in the browser."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from egoact.commands.flags import check_positive


@dataclass(frozen=True)
class StudioSettings:
    """Look at recordings, label them, train on the labels, and correct what runs propose, in the browser.

    Everything lies in one folder: recordings/, labels/ (CSVs that other commands read), runs/, timelines/. It is made
    where it does not exist. Nothing is loaded from the network, and nothing is sent there.
    """

    folder: Positional[Path] = Path(".")
    """The project's folder."""
    media: tuple[Path, ...] = ()
    """Other folders with recordings, which are only read."""
    host: str = "127.0.0.1"
    """Address to listen on. With another than this, people on the network can ask, too: with the token in the address
    that is printed."""
    port: int = 8350
    """Port to listen on; 0: a free one."""
    browser: bool = True
    """Open the first page."""
    max_upload_gigabytes: float = 20.0
    """The largest recording that is taken."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ValueError(f"--port must be from 0 to 65535, got {self.port}")
        check_positive(self, "max_upload_gigabytes")


def studio(settings: StudioSettings) -> int:
    """Serve a project until Ctrl-C."""
    from egoact.studio.serving import serve

    serve(
        settings.folder,
        media=settings.media,
        host=settings.host,
        port=settings.port,
        opens_browser=settings.browser,
        max_upload_bytes=round(settings.max_upload_gigabytes * 1e9),
    )
    return 0

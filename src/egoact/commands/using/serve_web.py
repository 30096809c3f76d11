"""`egoact serve-web`: the page of an export, on this machine."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class ServeWebSettings:
    """Serve what egoact export --format web wrote, to browsers of this machine, until Ctrl-C.

    Any server of static files does, too; browsers give their cameras to pages of this machine and of https.
    """

    folder: Positional[Path]
    """Folder of the export."""
    port: int = 8000
    """To listen on, at 127.0.0.1; 0: a free one."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise ValueError(f"--port must be from 0 to 65535, got {self.port}")


def serve_web(settings: ServeWebSettings) -> int:
    """Serve; ends with Ctrl-C, and gives 0."""
    from egoact.export.web_server import HOST, open_server

    with open_server(settings.folder, settings.port) as server:
        print(f"serve-web: http://{HOST}:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0

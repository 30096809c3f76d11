"""A small server for the page of an export, on this machine alone."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError

HOST = "127.0.0.1"


class PageHandler(SimpleHTTPRequestHandler):
    """Files, with the headers that let a page have threads of WebAssembly."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:  # noqa: D102
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:  # noqa: D102
        with suppress(ConnectionError):  # a page that is left or loaded again waits for nothing
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def open_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of an export that listens, and answers as soon as `serve_forever` is called; port 0 is a free one.

    Raises:
        ArtifactError: The folder has no page, or the port is taken.
    """
    if not (folder / "web.json").is_file():
        raise ArtifactError("there is no page here; make one with egoact export --format web", path=folder)
    handler: Callable[..., PageHandler] = partial(PageHandler, directory=str(folder))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ArtifactError(f"cannot listen on port {port} ({error.strerror}); give another --port") from None

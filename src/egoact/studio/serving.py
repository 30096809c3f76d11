"""The server itself: a socket, uvicorn, and the browser that is opened on it."""

import secrets
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.studio.safety import is_loopback


def serve(
    folder: Path, *, media: tuple[Path, ...], host: str, port: int, opens_browser: bool, max_upload_bytes: int
) -> None:
    """Open a project, which is made where it does not exist, and answer until somebody stops it; port 0 is a free one.

    Raises:
        ArtifactError: The project cannot be opened, the address cannot be listened on, or the extra is missing.
    """
    try:
        from egoact.studio.application import StudioServer, build_application
        from egoact.studio.project import Project
        from egoact.studio.workspace import Workspace
    except ModuleNotFoundError as error:
        raise ArtifactError(f"the studio needs {error.name}: pip install 'egoact[studio]'") from None
    with _listen(host, port) as listener:
        workspace = Workspace(Project.open(folder, media), max_upload_bytes=max_upload_bytes)
        token = None if is_loopback(host) else secrets.token_urlsafe(24)
        application = build_application(workspace, host=host, token=token)
        address = _address(host, listener.getsockname()[1], token)
        print(f"studio: {workspace.project.folder} at {address} (Ctrl-C ends it)", flush=True)
        if opens_browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        try:
            StudioServer(application, workspace.events).run(sockets=[listener])
        except KeyboardInterrupt:
            print("studio: ended", file=sys.stderr)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ArtifactError(f"{host} is no address to listen on ({error.strerror})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ArtifactError(f"cannot listen on {host}, port {port} ({error.strerror}); give another --port") from None
    return listener


def _address(host: str, port: int, token: str | None) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + ("" if token is None else f"?token={token}")

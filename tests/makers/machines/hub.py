"""A hub on this machine: as much of Hugging Face's HTTP interface as pushing and pulling a model takes."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"


class Hub(ThreadingHTTPServer):
    """Repositories, name -> file -> content; what is not in `kept_small` goes by LFS."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.commits: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def open_test_hub() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:  # noqa: N802
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        path = unquote(urlsplit(self.path).path).strip("/")
        api, _, rest = path.partition("api/models/")
        name = "/".join((rest if not api else path).split("/")[:2])
        files = self.server.repositories.get(name)
        if files is None:
            self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif rest and not api:
            siblings = [{"rfilename": each, "size": len(content)} for each, content in files.items()]
            self._answer({"id": name, "sha": self._sha(files), "siblings": siblings, "private": False})
        else:
            content = files.get(path.split("/", 4)[4])
            if content is None:
                self._answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            else:
                etag = hashlib.sha256(content).hexdigest()
                self._answer(content, 200, {"X-Repo-Commit": self._sha(files), "ETag": f'"{etag}"'})

    def do_PUT(self) -> None:  # noqa: N802
        content = self._read()
        self.server.objects[hashlib.sha256(content).hexdigest()] = content
        self._answer({})

    def do_POST(self) -> None:  # noqa: N802
        path, content = urlsplit(self.path).path.strip("/"), self._read()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif path.endswith("/objects/batch"):
            self._answer(
                {"transfer": "basic", "objects": [self._object(each) for each in json.loads(content)["objects"]]}
            )
        elif path == "api/repos/create":
            asked = json.loads(content)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            if asked.get("visibility") == "private" or asked.get("private"):
                self.server.private.add(name)
            self._answer({"url": f"{self.server.url}/{name}"})
        elif path == "api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._answer({"files": [self._mode(each["path"]) for each in json.loads(content)["files"]]})
        else:
            self._commit("/".join(path.split("/")[2:4]), [json.loads(line) for line in content.splitlines()])

    def _mode(self, name: str) -> dict[str, Any]:
        is_small = name.endswith((".json", ".md"))
        return {"path": name, "uploadMode": "regular" if is_small else "lfs", "shouldIgnore": False, "oid": None}

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "actions": {"upload": {"href": f"{self.server.url}/lfs/{asked['oid']}"}}}

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        files = self.server.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                self.server.commits.append(value)
        sha = self._sha(files)
        self._answer({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def _sha(self, files: dict[str, bytes]) -> str:
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

"""Attacks: paths out of the project, other sites, no token, too much."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from egoact.studio.safety import Gate
from tests.makers.films.media import write_video
from tests.makers.machines.places import ROOT
from tests.makers.machines.studio import Client, adding, running

OUTSIDE = [
    "/api/recordings/..%2F..%2Fsecret/video",
    "/api/recordings/%2e%2e%2fsecret/video",
    "/api/recordings/..%5Csecret/video",
    "/api/recordings/%2Fetc%2Fpasswd/thumbnail",
    "/api/labels/..%2F..%2Fsecret",
    "/api/labels/%00",
    "/api/recordings/ana_1%00.mp4/video",
    "/..%2f..%2fsecret.txt",
    "/assets/../../../secret.txt",
    "/%2e%2e/%2e%2e/secret.txt",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with a secret beside its project and its pages."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "secret.txt").write_text("top secret")
    (folder / "secret").mkdir()
    (folder / "web").mkdir()
    (folder / "web" / "index.html").write_text("<title>page</title>")
    write_video(folder / "project" / "recordings" / "ana_1.mp4", num_frames=5)
    with running(folder / "project", web=folder / "web") as client:
        yield client


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out(guarded: Client, path: str) -> None:
    answer = guarded.get(path)
    assert b"top secret" not in answer.content and b"root:" not in answer.content
    assert answer.status == 404 or answer.content == b"<title>page</title>"


def test_links_out_of_the_project_are_not_followed(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "elsewhere" / "secret_1.mp4", num_frames=5)
    labels = tmp_path / "elsewhere" / "labels.csv"
    labels.write_text("video_id,start_seconds,stop_seconds,verb\nx,0,1,hidden\n")
    folder = tmp_path / "project"
    (folder / "recordings").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "recordings" / "link_1.mp4").symlink_to(secret)
    (folder / "labels" / "spy.csv").symlink_to(labels)
    with running(folder) as client:
        assert client.get("/api/recordings").json == []
        assert client.get("/api/recordings/link_1/video").status == 404
        assert any("leads out" in line for line in client.get("/api/project").json["problems"])
        assert client.get("/api/labels/spy").status == 404
    with running(folder, media=(tmp_path / "elsewhere",)) as client:  # whoever starts it may allow it
        assert {r["id"] for r in client.get("/api/recordings").json} == {"link_1", "secret_1"}


@pytest.mark.parametrize(
    "name", ["../evil.mp4", "a/b.mp4", ".hidden.mp4", "x.sh", "", "a\0b.mp4", "a<b>.mp4", "con:.mp4"]
)
def test_uploads_keep_to_their_folder(guarded: Client, name: str) -> None:
    from urllib.parse import quote

    answer = guarded.post(f"/api/recordings?file_name={quote(name, safe='')}", raw=b"x")
    assert answer.status == 400 and answer.json["reason"]
    assert [recording["id"] for recording in guarded.get("/api/recordings").json] == ["ana_1"]


FOREIGN = {
    "origin": {"origin": "http://evil.example"},
    "origin of a file": {"origin": "null"},
    "origin on another port": {"origin": "http://127.0.0.1:1"},
    "host (DNS rebinding)": {"host": "evil.example"},
    "host with our address in it": {"host": "127.0.0.1.evil.example"},
    "host of another machine": {"host": "192.168.0.7"},
    "host that is none": {"host": "[::1"},
    "fetch of another site": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "fetch of another port": {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_sites_get_nothing(guarded: Client, headers: dict[str, str], method: str) -> None:
    answer = guarded.request(method, "/api/project" if method == "GET" else "/api/annotators", headers=headers)
    assert answer.status == 403 and set(answer.json) == {"reason"}


def test_our_own_pages_may_ask(guarded: Client) -> None:
    for name in (f"127.0.0.1:{guarded.port}", f"[::1]:{guarded.port}", "localhost:9000"):
        headers = {"host": name, "origin": f"http://{name}", "sec-fetch-site": "same-origin"}
        assert guarded.get("/api/project", headers=headers).status == 200


def test_a_token_is_needed_from_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="token"):
        Gate(None, host="0.0.0.0")  # type: ignore[arg-type]
    with running(tmp_path, host="0.0.0.0", token="s3cret") as client:
        for path, headers in (
            ("/api/project", {}),
            ("/", {}),
            ("/?token=wrong", {}),
            ("/api/project?token=s3cret", {}),  # tokens in addresses of the interface would be written into logs
            ("/api/project", {"authorization": "Bearer wrong"}),
            ("/api/project", {"cookie": "egoact_studio=wrong"}),
            ("/api/project", {"cookie": "egoact_studio=s3cret", "host": "evil.example"}),
        ):
            assert client.get(path, headers=headers).status in (401, 403), (path, headers)
        assert client.get("/api/project", headers={"authorization": "Bearer s3cret"}).status == 200
        entry = client.get("/?token=s3cret")
        assert (entry.status, entry.headers["location"]) == (303, "/")
        cookie = entry.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert client.get("/api/project", headers={"cookie": cookie.partition(";")[0]}).status == 200


def test_uploads_that_are_too_large_are_cut_off(client: Client, project: Path) -> None:
    path = "/api/recordings?file_name=big.mp4"
    stated = client.post(path, raw=iter(()), headers={"content-length": "2000001"})
    assert stated.status == 413 and "--max-upload-gigabytes" in stated.json["reason"]

    parts = (b"0" * 100_000 for _ in range(30))
    unstated = client.request("POST", path, raw=parts, headers={"transfer-encoding": "chunked"}, chunked=True)
    assert unstated.status == 413
    assert [path.name for path in (project / "recordings").iterdir()] == ["ana_1.mp4"]


def test_an_upload_that_breaks_off_leaves_nothing(client: Client, project: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.putrequest("POST", "/api/recordings?file_name=half.mp4")
    connection.putheader("content-length", "100000")
    connection.endheaders()
    connection.send(b"0" * 1000)
    connection.close()
    for _ in range(200):
        if client.get("/api/project").status == 200 and len(list((project / "recordings").iterdir())) == 1:
            break
    assert [path.name for path in (project / "recordings").iterdir()] == ["ana_1.mp4"]


def test_pages_may_not_run_foreign_scripts(guarded: Client) -> None:
    for path in ("/", "/api/project", "/api/nothing"):
        headers = guarded.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_names_are_data(client: Client) -> None:
    """What looks like a page or a formula comes back as it was, as JSON."""
    evil = "<script>alert(1)</script>"
    client.post("/api/annotators", {"name": "ana"})
    assert client.edit("ana", adding("ana_1", 0, 1, evil, note='"; DROP TABLE segments; --')).status == 200
    answer = client.get("/api/labels/ana")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["segments"][0]["verb"] == evil
    assert answer.json["segments"][0]["note"] == '"; DROP TABLE segments; --'
    assert client.post("/api/annotators", {"name": "../ana"}).status == 422


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name": 1}', b'{"name": "\\ud800"}', b"\xff\xfe"])
def test_bodies_that_are_none_are_refused(guarded: Client, body: bytes) -> None:
    answer = guarded.post("/api/annotators", raw=body, headers={"content-type": "application/json"})
    assert answer.status in (400, 422) and json.loads(answer.content)["reason"]


def test_the_page_on_the_interface_names_every_route(guarded: Client) -> None:
    """And no route that is none."""
    text = (ROOT / "docs" / "studio-http.md").read_text(encoding="utf-8")
    named = {
        (method, re.sub(r"\?.*", "", path).replace("/verb", "/{target}"))
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH) (/api/[^` ]+)`?", text)
    }
    paths = guarded.get("/api/openapi.json").json["paths"]
    there = {
        (method.upper(), path.replace("{number}", "{id}")) for path, methods in paths.items() for method in methods
    }
    assert named == there

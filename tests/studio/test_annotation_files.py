"""Import and export: what goes out comes in again."""

import io
import shutil
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from egoact.core.annotations.formats.catalogue import FORMATS
from tests.makers.machines.studio import Client, adding


@pytest.fixture
def labelled(client: Client, project: Path) -> Client:
    shutil.copyfile(project / "recordings" / "ana_1.mp4", project / "recordings" / "ana_2.mp4")
    for name in ("ana", "ben"):
        client.post("/api/annotators", {"name": name})
    client.edit(
        "ana",
        adding("ana_1", 0.2, 0.8, "open", noun="fridge", hand="left", note="with force"),
        adding("ana_1", 0.5, 1.2, "take", noun="milk", hand="right"),
        adding("ana_2", 0.0, 1.0, "close", noun="fridge"),
    )
    return client


def contents(client: Client, annotator: str) -> list[tuple[object, ...]]:
    keys = ("recording_id", "start_seconds", "stop_seconds", "verb", "noun")
    return sorted(tuple(s[key] for key in keys) for s in client.get(f"/api/labels/{annotator}").json["segments"])


def test_formats_are_those_of_convert(labelled: Client) -> None:
    assert [one["name"] for one in labelled.get("/api/formats").json] == list(FORMATS)


@pytest.mark.parametrize("name", ["boris", "elan", "label-studio", "segments", "via", "fiftyone", "activitynet"])
def test_what_goes_out_comes_in_again(labelled: Client, name: str) -> None:
    sent = labelled.get(f"/api/export?annotator=ana&format={name}")
    assert sent.status == 200 and "attachment" in sent.headers["content-disposition"]
    files = {f"all{FORMATS[name].suffixes[0]}": sent.content}
    if sent.content[:2] == b"PK":
        archive = zipfile.ZipFile(io.BytesIO(sent.content))
        files = {one: archive.read(one) for one in archive.namelist()}
        assert {Path(one).stem for one in files} == {"ana_1", "ana_2"}
    for file_name, content in files.items():
        path = f"/api/import?annotator=ben&file_name={quote(file_name)}"
        answer = labelled.post(path, raw=content)
        assert answer.status == 200 and answer.json["format"] == name, answer.content
        again = labelled.post(path, raw=content).json
        assert again["num_added"] == 0 and again["num_known"] == answer.json["num_added"]
    for ours, theirs in zip(contents(labelled, "ana"), contents(labelled, "ben"), strict=True):
        assert ours[0] == theirs[0] and ours[3:] == theirs[3:]
        assert theirs[1:3] == pytest.approx(ours[1:3], abs=0.002)
    notes = labelled.get(f"/api/export-notes?annotator=ana&format={name}").json
    assert notes["num_segments"] == 3


def test_files_that_name_no_recording_are_told_which(labelled: Client) -> None:
    marks = b"0.100000\t0.900000\ttake cup\n1.000000\t1.000000\tring\n"
    answer = labelled.post("/api/import?annotator=ben&file_name=marks.txt&recording=ana_2&split=true", raw=marks)
    assert answer.status == 200 and answer.json["format"] == "audacity" and answer.json["num_added"] == 2
    assert contents(labelled, "ben")[0] == ("ana_2", 0.1, 0.9, "take", "cup")
    assert any("without length" in note for note in answer.json["notes"])
    lost = labelled.post("/api/import?annotator=ben&file_name=marks.txt", raw=marks).json
    assert any("not here" in note and "marks" in note for note in lost["notes"])


def test_what_is_no_annotation_file_is_refused(labelled: Client) -> None:
    for query, content, status in (
        ("annotator=ben&file_name=x.mp4", b"\0\0\0\x18ftyp", 415),
        ("annotator=ben&file_name=x.eaf", b"<html>", 415),
        ("annotator=ben&file_name=x.csv&format=nothing", b"a", 400),
        ("annotator=nobody&file_name=x.csv", b"a", 404),
        ("annotator=ben&file_name=x.txt&recording=nothing", b"0\t1\ta\n", 404),
    ):
        answer = labelled.post(f"/api/import?{query}", raw=content)
        assert answer.status == status and answer.json["reason"], (query, answer.content)
    assert contents(labelled, "ben") == []
    assert labelled.get("/api/export?annotator=ben&format=elan").status == 409
    assert labelled.get("/api/export?annotator=ana&format=nothing").status == 404


def test_large_files_are_taken_at_once(labelled: Client) -> None:
    lines = "".join(f"{n / 2000:.6f}\t{(n + 1) / 2000:.6f}\tstep\n" for n in range(3000))
    answer = labelled.post("/api/import?annotator=ben&file_name=ana_1.txt&format=audacity", raw=lines.encode())
    assert answer.json["num_added"] == 3000 and len(contents(labelled, "ben")) == 3000

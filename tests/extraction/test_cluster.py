"""A real cluster of Ray on this machine, and a real server of S3, in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers.data.extraction import VIDEOS, make_video

pytest.importorskip("ray", reason="pip install 'egoact[ray]' brings the cluster of this test")
TINY = ("--backbone", "tiny-random", "--size", "64", "--engine", "torch", "--precision", "f32")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs", reason="pip install 'egoact[remote]' 'moto[server]' brings the server of this test")
    moto = pytest.importorskip("moto.server", reason="pip install 'moto[server]' brings the server of this test")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "some")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
    yield "s3://bucket/features"
    server.stop()


def command(*words: str, folder: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "egoact", *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_cluster_fills_a_bucket_with_the_bytes_of_one_machine(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "media").mkdir()
    for number, name in enumerate(VIDEOS[:3]):
        make_video(tmp_path / f"media/{name}.mp4", number)
    command("extract", "--media", "media", "--features", "one", *TINY, folder=tmp_path)
    shared = ("--cluster", "ray", "--workers", "2", "--features", bucket)
    assert "of 3 recordings" in command("extract", "--media", "media", *shared, *TINY, folder=tmp_path)
    assert "0 problems" in command("verify", "--features", bucket, folder=tmp_path)
    copies = {path.name: path.read_bytes() for path in (tmp_path / "cache/egoact/features").rglob("*.npy")}
    assert copies == {path.name: path.read_bytes() for path in (tmp_path / "one").rglob("*.npy")}
    assert "of 0 recordings" in command("extract", "--media", "media", *shared, *TINY, folder=tmp_path)

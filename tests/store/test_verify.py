import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.data.verify import VerifySettings, verify
from egoact.core.errors import ArtifactError
from egoact.store.layout.index import StoreIndex
from egoact.store.reader import FeatureStore
from tests.makers.data.stores import SEGMENTS, fill


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(tmp_path / "s", SEGMENTS)
    return tmp_path / "s"


def write_csv(path: Path, *, moved: bool = False) -> Path:
    lines = ["narration_id,participant_id,video_id,start_seconds,stop_seconds"]
    for s in SEGMENTS:
        start = s.start_seconds + (0.5 if moved and s is SEGMENTS[0] else 0)
        lines.append(f"{s.narration_id},{s.participant_id},{s.video_id},{start},{s.stop_seconds}")
    path.write_text("\n".join(lines) + "\n")
    return path


def problems(capsys: pytest.CaptureFixture, *, features: Path, segments: Path | None = None) -> list[str]:
    number = verify(
        VerifySettings(features=features, segments=() if segments is None else (segments,), num_frames=4, views=2)
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("verify: ")]
    assert len(lines) == number + 1
    assert lines[-1].endswith(f"{number} problems")
    return lines[:-1]


def test_a_whole_store_has_no_problems(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert problems(capsys, features=store, segments=write_csv(tmp_path / "s.csv")) == []


def change(path: Path, at: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)


def test_one_flipped_bit_is_found(store: Path, capsys: pytest.CaptureFixture) -> None:
    shard = sorted((store / "shards").glob("*.npy"))[0]
    content = shard.read_bytes()
    change(shard, len(content) - 5, bytes([content[-5] ^ 1]))
    (line,) = problems(capsys, features=store)
    assert str(shard) in line
    assert "bytes have changed" in line


def test_numbers_that_are_not_finite_are_named_by_moment(store: Path, capsys: pytest.CaptureFixture) -> None:
    shard = sorted((store / "shards").glob("P01*.npy"))[0]
    change(shard, shard.stat().st_size - 2, np.float16(np.nan).tobytes())
    moment = FeatureStore.open(store).index.rows["P01_01"].moments[-1] / 1e6
    told = f"P01_01 at {moment:.3f} s: features that are not finite"
    assert any(told in line for line in problems(capsys, features=store))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: p.unlink(), "missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "damaged"),
        (lambda p: p.write_bytes(b""), "damaged"),
        (lambda p: np.save(p, np.zeros((24, 7), np.float16)), "should be float16"),
        (lambda p: p.write_bytes(p.read_bytes()[:128] + bytes(p.stat().st_size - 128)), "all features are zero"),
    ],
)
def test_damaged_shards(store: Path, capsys: pytest.CaptureFixture, damage, reason: str) -> None:
    shard = sorted((store / "shards").glob("*.npy"))[0]
    damage(shard)
    assert any(reason in line for line in problems(capsys, features=store))


def test_segments_that_are_missing_or_moved(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = write_csv(tmp_path / "s.csv", moved=True)
    with path.open("a") as file:
        file.write("extra,P01,P01_01,0,1\n")
    moved, missing = problems(capsys, features=store, segments=path)
    assert "row 2: P02_03 from 3.500 to 4.500 s is not in the store" in moved
    assert "row 8: P01_01 from 0.000 to 1.000 s is not in the store" in missing


def test_missing_segments_of_several_files_are_named_by_file(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one, two = write_csv(tmp_path / "one.csv"), tmp_path / "two.csv"
    two.write_text(one.read_text().splitlines()[0] + "\nextra,P01,P01_01,0,1\n")
    assert verify(VerifySettings(features=store, segments=(one, two), num_frames=4, views=2)) == 1
    assert "row 2 of two.csv: P01_01 from 0.000 to 1.000 s is not in the store" in capsys.readouterr().out


def test_an_index_that_names_impossible_moments(store: Path) -> None:
    row = StoreIndex.read(store).rows["P01_01"]
    StoreIndex([replace(row, moments=row.moments[::-1])]).write(store)
    with pytest.raises(ArtifactError, match="impossible moments .*P01_01"):
        verify(VerifySettings(features=store))


def test_no_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no feature store here"):
        verify(VerifySettings(features=tmp_path))


def test_a_manifest_that_was_edited_is_an_error(store: Path) -> None:
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["spec"]["rate"] = 5
    (store / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="changed by hand"):
        verify(VerifySettings(features=store))

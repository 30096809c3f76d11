import csv
import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.benchmarking.engines import _possible, _share_figure, count_flops
from egoact.benchmarking.epic100 import distinct_share
from egoact.benchmarking.measuring import Task, own_bytes, take_turns, times_of, watch
from egoact.benchmarking.results import Figure, Results, Table, write_results
from egoact.benchmarking.train import make_store
from egoact.cli import main
from egoact.commands.measuring.bench import BenchSettings, bench
from egoact.core.annotations.segments import Segment, read_segments
from egoact.core.errors import MediaError
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.report.bench import write_report
from egoact.store.reader import FeatureStore
from tests.makers.data.encoders import write_encoder
from tests.makers.films.media import write_video

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short recordings with three segments each, labelled."""
    folder = tmp_path_factory.mktemp("recordings")
    lines = ["narration_id,video_id,start_seconds,stop_seconds,verb,noun"]
    for video in ("V_1", "V_2"):
        write_video(folder / f"{video}.mp4", num_frames=60, rate=30)
        lines += [f"{video}_{i},{video},{i * 0.6},{i * 0.6 + 0.5},open,door" for i in range(3)]
    (folder / "segments.csv").write_text("\n".join(lines) + "\n")
    return folder


def settings(what: str, recordings: Path, out: Path) -> BenchSettings:
    return BenchSettings(
        what,  # type: ignore[arg-type]
        out=out,
        segments=recordings / "segments.csv",
        media=recordings,
        backbone="tiny-random",
        size=64,
        engine="torch",
        precision="f32",
        quick=True,
    )


def table_of(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_figures_know_whether_they_reach_their_goal() -> None:
    assert Figure("a", 80.0, "%", 80.0).is_reached is True
    assert Figure("a", 79.9, "%", 80.0).is_reached is False
    assert Figure("a", 3.1, "h", 3.0, is_most=True).is_reached is False
    assert Figure("a", None, "h", 3.0).is_reached is None
    assert Figure("a", 3.0, "h").is_reached is None


def test_tasks_take_turns_and_the_rate_is_the_median() -> None:
    calls: list[str] = []
    tasks = {name: lambda n=name: calls.append(n) or 1.0 for name in ("a", "b")}
    rates = take_turns(tasks, seconds=0, min_rounds=3)
    assert calls == ["a", "b"] + ["a", "a", "b", "b"] * 3  # a first run, and one that is not timed in each turn
    assert set(rates) == {"a", "b"} and min(rates.values()) > 0
    assert len(times_of(lambda: None, rounds=5)) == 5


def test_operations_are_counted_as_two_a_multiplication() -> None:
    backbone = load_backbone("tiny-random", size=64)
    one = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False))
    assert count_flops(Backbone(backbone.spec, one)) == 2 * 64 * 64 * 8 * 3 * 3 * 3


def test_frames_that_segments_share_count_once() -> None:
    def segment(name: str, video: str, start: float, stop: float) -> Segment:
        return Segment(name, "P01", video, start, stop)

    long = segment("a", "P01_101", 0.0, 10.0)
    assert distinct_share([long]) == 1
    assert distinct_share([long, segment("b", "P01_101", 0.0, 10.0)]) == 0.5
    assert distinct_share([long, segment("b", "P01_102", 0.0, 10.0)]) == 1
    assert distinct_share([segment("a", "P01_101", 0.0, 0.1)]) == 5 / 20  # five frames in a tenth of a second


def test_made_stores_hold_what_their_table_says(tmp_path: Path) -> None:
    table, path = make_store(tmp_path, num_clips=7)
    store = FeatureStore.open(path)
    features = store.gather(store.locate(read_segments(table), ClipSampling(20))).astype(np.float32)
    assert features.shape == (7, 20, 1280)
    assert np.isfinite(features).all() and features.std() > 0.5


@linux_only
def test_memory_of_files_is_nobodys_own(tmp_path: Path) -> None:
    code = "import numpy, sys, time\na = numpy.ones(50_000_000, dtype=numpy.uint8)\ntime.sleep(0.3)"
    own = watch([sys.executable, "-c", code])
    assert own is not None and 50e6 < own < 150e6
    path = tmp_path / "file"
    np.save(path.with_suffix(".npy"), np.ones(50_000_000, dtype=np.uint8))
    code = f"import numpy, time\na = numpy.load({str(path)!r} + '.npy', mmap_mode='r').sum()\ntime.sleep(0.3)"
    mapped = watch([sys.executable, "-c", code])
    assert mapped is not None and mapped < 50e6
    assert own_bytes(os.getpid()) is not None and own_bytes(2**22 + 1) is None


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        watch([sys.executable, "-c", "raise SystemExit('no such luck')"])


def test_page_and_tables_show_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(
        "speed", "Speed", ("engine <b>", "batch", "frames/s"), [["torch", 4, 12.3], ["onnx", 4, 24.6]], "frames/s"
    )
    figures = [Figure("fast", 24.6, "frames/s", 20.0), Figure("small", None, "GB", 2.0, is_most=True)]
    write_results(tmp_path, "engines", Results("Engines", "Some text.", [table], figures))
    write_report(BenchSettings("engines", out=tmp_path))
    page = (tmp_path / "engines.html").read_text(encoding="utf-8")
    assert "24.6" in page and "engine &lt;b&gt;" in page and "reached" in page and "not measured" in page
    printed = capsys.readouterr().out
    assert "torch" in printed and "≥ 20 frames/s" in printed and "≤ 2 GB" in printed
    assert [row["frames/s"] for row in table_of(tmp_path, "engines_speed")] == ["12.3", "24.6"]


def test_damaged_results_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "engines.json").write_text(json.dumps({"title": "x"}))
    from egoact.core.errors import ArtifactError

    with pytest.raises(ArtifactError, match="run it again"):
        write_report(BenchSettings("engines", out=tmp_path))


def test_storage_keeps_features_smallest(tmp_path: Path, recordings: Path) -> None:
    assert bench(settings("storage", recordings, tmp_path)) == 0
    rows = {row["format"]: row for row in table_of(tmp_path, "storage_formats") if row["clips"] == "2"}
    pixels = 2 * 20 * 64 * 64 * 3 / 1e6
    assert (
        float(rows["uint8"]["MB in memory"]) == float(rows["JPEG"]["MB in memory"]) == pytest.approx(pixels, abs=1e-3)
    )
    assert float(rows["float32"]["MB in memory"]) == pytest.approx(4 * pixels, abs=1e-3)
    assert float(rows["uint8 compressed"]["MB on disk"]) < float(rows["uint8"]["MB on disk"])
    assert min(rows.values(), key=lambda row: float(row["MB on disk"]))["format"] == "features"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []  # what was measured with is gone


def test_decoding_and_latency_are_measured(tmp_path: Path, recordings: Path) -> None:
    for what, name in (("decode", "decode_speed"), ("latency", "latency_latency")):
        assert bench(settings(what, recordings, tmp_path)) == 0
        assert len(table_of(tmp_path, name)) >= 2
    assert all(float(row["frames/s"]) > 0 for row in table_of(tmp_path, "decode_speed"))


def test_media_without_segments_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bench", "decode", "--out", str(tmp_path), "--media", str(tmp_path)])
    assert stop.value.code == 2
    assert "--segments and --media belong together" in capsys.readouterr().err
    with pytest.raises(MediaError):
        bench(settings("decode", tmp_path / "nowhere", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work for a moment, in this process, which has loaded the libraries; `watch` has tests of its own."""

    def run(command: list[str]) -> tuple[str, int | None]:
        assert command[:3] == [sys.executable, "-m", "egoact"]
        with redirect_stdout(io.StringIO()) as told, pytest.raises(SystemExit) as stop:
            main(command[3:])
        assert not stop.value.code
        return told.getvalue(), own_bytes(os.getpid())

    def take_few_turns(tasks: Mapping[str, Task], **_: object) -> dict[str, float]:
        return take_turns(tasks, seconds=0, min_rounds=2)

    for room in ("engines", "extract"):
        monkeypatch.setattr(f"egoact.benchmarking.{room}.take_turns", take_few_turns)
    monkeypatch.setattr("egoact.benchmarking.engines._MATRIX", {"cpu": 1024, "cuda": 8192})
    monkeypatch.setattr("egoact.benchmarking.train.watch", lambda command: run(command)[1])
    monkeypatch.setattr("egoact.benchmarking.predict.watch_output", run)
    monkeypatch.setattr("egoact.benchmarking.scale.NUM_CLIPS", 64 * 64)
    monkeypatch.setattr("egoact.benchmarking.epic100.NUM_TRAIN", 64 * 256)
    monkeypatch.setattr("egoact.benchmarking.epic100._STILL_SECONDS", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("what", ["engines", "extract", "train", "scale", "epic100", "predict"])
def test_every_room_measures_something(tmp_path: Path, recordings: Path, what: str) -> None:
    flags = ["--segments", str(recordings / "segments.csv"), "--media", str(recordings), "--size", "64", "--quick"]
    flags += ["--backbone", "tiny-random", "--engine", "torch", "--precision", "f32", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        main(["bench", what, *flags])
    assert not stop.value.code
    found = json.loads((tmp_path / f"{what}.json").read_text())
    assert all(table["rows"] for table in found["tables"] if table["name"] != "absent")
    assert (tmp_path / f"{what}.html").is_file()
    measured = [f for f in found["figures"] if f["value"] is not None]
    too_busy = [f for f in found["figures"] if "not measured" in f["name"]]
    assert what == "train" or measured or too_busy
    assert all(f["value"] > 0 for f in measured)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


@pytest.mark.slow
@linux_only
def test_extraction_needs_no_more_memory_for_many_videos(tmp_path: Path) -> None:
    first = write_video(tmp_path / "media" / "V_00.mp4", num_frames=60, rate=30, size=(240, 320))
    lines = ["narration_id,video_id,start_seconds,stop_seconds,verb"]
    peaks = []
    for number in range(30):
        path = first.with_name(f"V_{number:02d}.mp4")
        if number:
            path.write_bytes(first.read_bytes())
        lines += [f"{number}_{i},{path.stem},{i},{i + 1},take" for i in range(2)]
        if number + 1 not in (3, 30):
            continue
        table = tmp_path / f"{number}.csv"
        table.write_text("\n".join(lines) + "\n")
        flags = ["--segments", table, "--media", first.parent, "--features", tmp_path / f"features-{number}"]
        flags += ["--backbone", "tiny-random", "--engine", "torch", "--precision", "f32", "--size", 256]
        peaks.append(watch([sys.executable, "-m", "egoact", "extract", *map(str, flags)]))
    assert peaks[0] is not None and peaks[1] is not None
    assert peaks[1] <= 1.1 * peaks[0]


def test_frames_are_convolved_without_being_transposed() -> None:
    from egoact.models.heads.convnet1d import FrameConv

    torch.manual_seed(0)
    ours, theirs = FrameConv(12, 5, 3), nn.Conv1d(12, 5, 3)
    theirs.load_state_dict(ours.state_dict())
    features = torch.randn(4, 9, 12)
    torch.testing.assert_close(ours(features), theirs(features.transpose(1, 2)), rtol=1e-5, atol=1e-5)
    assert ours(features).is_contiguous()


def test_a_share_above_the_peak_is_a_failed_measurement() -> None:
    rows = [["torch", "f32", 16, 9.0, 9.0, 15.9, 1.0], ["openvino", "int8", 16, 80.0, 80.0, 10590.0, 0.99]]
    assert [row[5] for row in _possible(rows)] == [15.9, None]
    assert _share_figure(rows, "f32").value == 15.9
    failed = _share_figure(rows, "int8")
    assert failed.value is None and "not measured" in failed.name and "10590 % of the peak is impossible" in failed.name


def test_windows_of_a_video_encoder_are_measured_without_its_weights(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="pip install 'egoact[video]' brings transformers")
    folder = write_encoder(tmp_path / "encoder", "vjepa2")
    (folder / "model.safetensors").unlink()
    encoder = replace(settings("extract", tmp_path, tmp_path), segments=None, media=(), backbone="hf:some/name")
    encoder = replace(encoder, weights=folder, size=None, random=True, precision="f32", device="cpu")
    assert bench(encoder) == 0
    (row,) = table_of(tmp_path, "extract_windows")
    rate = float(row["windows/s"])
    # A window of 8 pictures, 8 a second: 360,000 windows in 100 hours.
    assert float(row["hours, EPIC-KITCHENS-100"]) == pytest.approx(360_000 / rate / 3600, rel=0.01, abs=0.005)
    tokens, width, layers = 4 * 4 * 4, 24, 2
    linear, attention = 2 * 12 * width**2 * tokens * layers, 4 * tokens**2 * width * layers
    patches = 2 * (2 * 16 * 16 * 3) * width * tokens
    figures = {f["name"]: f["value"] for f in json.loads((tmp_path / "extract.json").read_text())["figures"]}
    assert figures["operations"] == pytest.approx((linear + attention + patches) / 1e9, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"what": "latency", "backbone": "hf:vjepa2", "random": True}, "--random and --window are for bench extract"),
        ({"what": "extract", "random": True}, "--random and --window are for bench extract of video encoders"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(settings("extract", tmp_path, tmp_path), **change)  # type: ignore[arg-type]

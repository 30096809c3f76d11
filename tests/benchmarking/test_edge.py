"""Exports measured on one core, the Pareto front, and the best within a budget."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egoact.benchmarking.edge.exports import Budget, Measured, Variant, choose, list_variants
from egoact.benchmarking.edge.measurement import pareto_front
from egoact.benchmarking.edge.questions import Questions, spread
from egoact.commands.measuring.bench import BenchSettings, bench
from egoact.commands.using.export import ExportSettings, export
from egoact.core.annotations.segments import read_segments
from egoact.media.sources import MediaRoot
from egoact.report.bench import write_report
from egoact.runs.exported import is_export, read_export
from tests.export.test_export import make_run
from tests.makers.data.extraction import make_video


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a recording and labels of it."""
    folder = tmp_path_factory.mktemp("edge")
    make_run(folder / "run", nouns=False)
    make_video(folder / "A_1.mp4", 1)
    lines = ["narration_id,video_id,start_seconds,stop_seconds,verb"]
    lines += [f"A_1_{i},A_1,{0.2 * i},{0.2 * i + 0.3},{verb}" for i, verb in enumerate(("open", "close", "cut", ""))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def measured(name: str, milliseconds: float, megabytes: float, accuracy: float) -> Measured:
    variant = Variant(Path(name), "onnx", "f32", name)
    return Measured(variant, Path(name), 64, megabytes, milliseconds, 1.0, None, accuracy, "verb right in", 36, 1)


def test_the_front_is_what_nothing_beats() -> None:
    assert pareto_front([(1, 5), (2, 4), (2, 5), (3, 3), (1, 5)]) == [True, True, False, True, True]
    assert pareto_front([(2, 2)]) == [True]


def test_the_most_accurate_within_the_budget_is_taken() -> None:
    found = [measured("a", 9, 12, 80), measured("b", 4, 6, 70), measured("c", 3, 6, 70), measured("d", 1, 2, 60)]
    assert choose(found, Budget(10, None)).variant.run_name == "a"
    assert choose(found, Budget(None, 8)).variant.run_name == "c"  # as accurate as b, and faster
    assert choose(found, Budget(2, 8)).variant.run_name == "d"
    with pytest.raises(ValueError, match=r"nothing is within 0\.5 ms and 8 MB; the nearest is d-onnx-f32: 1\.0 ms"):
        choose(found, Budget(0.5, 8))


def test_times_of_a_busy_core_are_told() -> None:
    calm, busy = measured("a", 1.4, 6, 70), measured("a", 1.6, 6, 70)  # of which the CPU worked 1 ms
    assert (calm.is_disturbed, busy.is_disturbed) == (False, True)
    assert busy.describe() == "a-onnx-f32: 1.6 ms (1.0 of the CPU: others use this core), 6.0 MB, accuracy 70.0 %"


def test_variants_have_names_of_their_own() -> None:
    names = [v.name for v in list_variants([Path("a/run"), Path("b/run")], format="onnx")]
    assert names == [f"{run}-run-onnx-{precision}" for run in (1, 2) for precision in ("f32", "f16", "int8")]
    with pytest.raises(ValueError, match="no openvino in f16 can be made and run here"):
        list_variants([Path("run")], format="openvino", precision="f16")


def test_answers_are_right_by_labels_or_by_the_reference(world: Path, tmp_path: Path) -> None:
    root, table = MediaRoot(world), read_segments(world / "labels.csv")
    asked = Questions(world / "run", root, table, tmp_path)
    clips, rows = asked.clips
    assert rows == [0, 1, 2, 3] and np.load(clips, mmap_mode="r").shape == (4, 20, 32, 32, 3)
    says = {"verb": np.eye(3)[[0, 2, 2, 1]]}  # the classes are open, close, cut; the fourth has no label
    assert asked.accuracy(says, rows, is_reference=False) == (pytest.approx(200 / 3), 3)
    assert asked.criterion == "verb right in"
    bare = Questions(world / "run", root, table.select(lambda s: s.verb is None), tmp_path)
    with pytest.raises(ValueError, match="give segments with labels"):
        bare.accuracy({"verb": np.eye(3)[:1]}, [0], is_reference=False)
    assert bare.accuracy({"verb": np.eye(3)[:1]}, [0], is_reference=True) == (100, 1)
    assert bare.accuracy({"verb": np.eye(3)[1:2]}, [0], is_reference=False) == (0, 1)
    assert [segment.narration_id for segment in spread(table, 2)] == ["A_1_0", "A_1_3"]


def test_runs_are_exported_measured_and_drawn(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egoact.benchmarking.edge.exports.PRECISIONS", {"onnx": ("f32",), "openvino": ("f16",)})
    settings = BenchSettings(
        "edge", out=tmp_path, runs=(world / "run",), segments=world / "labels.csv", media=(world,), watts=10, quick=True
    )
    assert bench(settings) == 0
    write_report(settings)
    found = json.loads((tmp_path / "edge.json").read_text(encoding="utf-8"))
    (table, left_out) = found["tables"]
    (row,) = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert (row["Pareto"], row["run"], row["pixels"], row["precision"]) == ("●", "run", 32, "f32")
    assert row["ms"] > 0 and row["mJ"] == pytest.approx(10 * row["CPU ms"], rel=0.1)
    folder = tmp_path / "exports" / "run-onnx-f32"
    assert row["MB"] == pytest.approx(sum(p.stat().st_size for p in folder.iterdir()) / 1e6, abs=0.01)
    assert not (folder / "recognizer.onnx").exists()
    assert left_out["rows"][0][0].startswith("run-openvino-f16: --precision f16 goes with onnx")
    assert "data:image/png" in (tmp_path / "edge.html").read_text(encoding="utf-8")
    noted = (folder.with_name("run-onnx-f32.json")).stat().st_mtime_ns
    assert bench(settings) == 0
    assert folder.with_name("run-onnx-f32.json").stat().st_mtime_ns == noted, "it was measured again"
    assert "1/2 run-onnx-f32: " in capsys.readouterr().out


def test_what_is_measured_loads_no_more_than_an_export_needs() -> None:
    code = "import sys, egoact.benchmarking.edge.answers\n"
    code += "print({'torch', 'pandas', 'onnxruntime', 'openvino'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_best_within_a_budget_is_exported(world: Path, tmp_path: Path) -> None:
    settings = ExportSettings(
        run=world / "run",
        out=tmp_path / "out",
        segments=(world / "labels.csv",),
        media=(world,),
        format="onnx",
        precision="f32",
        max_megabytes=50,
        max_latency_ms=1000,
    )
    assert export(settings) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert is_export(tmp_path / "out") and not read_export(tmp_path / "out").has_graph("recognizer")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_latency_ms": 0}, "must be positive"),
        ({"or_runs": (Path("b"),)}, "--or-runs goes with"),
        ({"max_megabytes": 8, "format": "web"}, "cannot be measured here"),
    ],
)
def test_a_budget_that_means_nothing_is_refused(change: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ExportSettings(run=Path("a"), out=Path("out"), segments=(), media=(), **change)


def test_edge_needs_runs_and_labels(tmp_path: Path) -> None:
    for flags in ({"what": "edge"}, {"what": "edge", "runs": (tmp_path,)}, {"what": "train", "runs": (tmp_path,)}):
        with pytest.raises(ValueError, match="edge goes with --runs, --segments and --media"):
            BenchSettings(out=tmp_path, **flags)  # type: ignore[arg-type]

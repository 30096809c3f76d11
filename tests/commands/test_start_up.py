"""What a small training and a small prediction load, and what keeps an index: most of the time that they take."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import egoact
from egoact.store.layout.index import grid_moments
from egoact.store.writer import StoreWriter
from tests.makers.data.features import SPEC, WIDTH, write_csv, write_store
from tests.makers.data.recordings import write_labels

# The training loop with what it brings, tables, pictures of curves, and the engines: none of them is needed.
HEAVY = {
    "lightning",
    "torchmetrics",
    "torch._dynamo",
    "torchvision",
    "timm",
    "scipy.signal",
    "tensorboard",
    "pandas",
    "pyarrow.compute",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
}


ASKS_FOR_A_PREDICTION = """
import egoact.commands.using.predict, egoact.runs.loading, egoact.timelines.segmenter
import egoact.report.timelines.timeline, egoact.timelines.stored, egoact.timelines.output
"""
KEEPS_AN_INDEX = """
from pathlib import Path
from egoact.store.layout.index import StoreIndex
StoreIndex.read(Path({0!r})).write(Path({0!r}))
"""
LOADS_A_NETWORK = """
import torch, egoact.models.backbones.registry as backbones
disable = torch.compiler.disable
backbones.load_backbone("efficientnet_lite0")
assert torch.compiler.disable is disable
"""
OUTLINES_HEADS = """
from egoact.models.heads import HEADS, build_head
from egoact.runs.weights import build_without_memory
for name, head in HEADS.items():
    shape = (4,) if head.kind == "pooled" else (4, 3, 3)
    build_without_memory(lambda: build_head(name, feature_shape=shape, num_frames=17))
"""


def call(*words: object) -> str:
    """A command line as code."""
    return f"try: main({[str(word) for word in words]!r})\nexcept SystemExit as s: assert not s.code, s.code\n"


def loaded(*steps: str) -> list[set[str]]:
    """The heavy modules that are loaded after each of some pieces of code in one process."""
    code = "import sys; from egoact.cli import main\n"
    for step in steps:
        code += f"{step}print('loaded:', sorted({HEAVY!r} & set(sys.modules)))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line.removeprefix("loaded:") for line in done.stdout.splitlines() if line.startswith("loaded:")]
    return [set(eval(names)) for names in told]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv"))
    return tmp_path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Features and labels of whole recordings."""
    spans = [(0.0, 1.0, "open"), (1.5, 2.5, "close"), (3.0, 4.0, "open")]
    write_labels(tmp_path / "labels.csv", dict.fromkeys("ABC", spans))
    features = np.random.default_rng(0).normal(size=(40, WIDTH)).astype(np.float16)
    with StoreWriter(tmp_path / "whole", SPEC) as writer:
        for video in "ABC":
            with writer.begin() as buffer:
                buffer.append(features)
                writer.commit(video, buffer, grid_moments(np.arange(40), rate=SPEC.rate), num_steps=40)
    return tmp_path


def test_no_loop_for_several_processes_no_engine_and_no_compiler_is_loaded(data: Path, recordings: Path) -> None:
    clips = ("train", "--segments", data / "train.csv", "--features", data / "features", "--head", "difference")
    whole = ("train-timeline", "--segments", recordings / "labels.csv", "--features", recordings / "whole")
    found = loaded(
        ASKS_FOR_A_PREDICTION,
        KEEPS_AN_INDEX.format(str(data / "features")),
        call(*clips, "--run", data / "run"),
        call(*whole, "--run", data / "timeline", "--segmenter", "gru", "--updates", 2, "--members", 1),
        OUTLINES_HEADS + LOADS_A_NETWORK,
        call(*clips, "--run", data / "other", "--epochs", 1),
    )
    network = {"timm", "torchvision"}
    assert found == [set(), set(), set(), set(), network, network | {"tensorboard"}], "the last one draws its curves"


def test_no_process_is_forked() -> None:
    """A fork has the locks of threads that it has not; processes are programs of their own, or are spawned."""
    ways = r"os\.(fork|forkpty|register_at_fork)\b|preexec_fn|multiprocessing\.(Process|Pool)|ddp_(fork|notebook)"
    ways += r"|DataLoader\(|ProcessPoolExecutor\((?!.*mp_context=spawn)|get_context\((?!\"spawn\"\))|set_start_method"
    sources = list(Path(egoact.__file__).parent.rglob("*.py"))
    found = [f"{path.name}: {match[0]}" for path in sources for match in re.finditer(ways, path.read_text("utf-8"))]
    assert len(sources) > 400 and found == []

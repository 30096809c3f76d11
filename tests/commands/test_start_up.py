"""What a small training and a small prediction load: most of the time that they take."""

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

# The training loop with what it brings, tables, pictures of curves, and the engines: neither needs them.
HEAVY = {
    "lightning",
    "torchmetrics",
    "torch._dynamo",
    "torchvision",
    "timm",
    "scipy.signal",
    "tensorboard",
    "pandas",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
}


def loaded(*commands: tuple[object, ...]) -> list[set[str]]:
    """The heavy modules that are loaded after each of some command lines in one process."""
    code = "import sys; from egoact.cli import main\n"
    for words in commands:
        code += f"try: main({[str(word) for word in words]!r})\nexcept SystemExit as s: assert not s.code, s.code\n"
        code += f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line.removeprefix("loaded:") for line in done.stdout.splitlines() if line.startswith("loaded:")]
    return [set(eval(names)) for names in told]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv"))
    return tmp_path


def test_a_training_loads_no_loop_for_several_processes_and_no_compiler(data: Path) -> None:
    words = ("train", "--segments", data / "train.csv", "--features", data / "features", "--run", data / "run")
    found = loaded(
        (*words, "--head", "difference"), (*words[:-1], data / "other", "--head", "difference", "--epochs", 1)
    )
    assert found == [set(), {"tensorboard"}], "its curves"


def test_a_training_for_timelines_loads_no_compiler(tmp_path: Path) -> None:
    spans = [(0.0, 1.0, "open"), (1.5, 2.5, "close"), (3.0, 4.0, "open")]
    labels = write_labels(tmp_path / "labels.csv", dict.fromkeys("ABC", spans))
    features = np.random.default_rng(0).normal(size=(40, WIDTH)).astype(np.float16)
    with StoreWriter(tmp_path / "features", SPEC) as writer:
        for video in "ABC":
            with writer.begin() as buffer:
                buffer.append(features)
                writer.commit(video, buffer, grid_moments(np.arange(40), rate=SPEC.rate), num_steps=40)
    words = ("train-timeline", "--segments", labels, "--features", tmp_path / "features", "--run", tmp_path / "run")
    assert loaded((*words, "--segmenter", "gru", "--updates", 2, "--members", 1)) == [set()]


def test_asking_for_a_prediction_loads_no_engine_and_no_training_loop_and_its_network_no_compiler() -> None:
    code = "import sys, egoact.commands.using.predict, egoact.runs.loading, egoact.timelines.segmenter\n"
    code += "import egoact.report.timelines.timeline, egoact.timelines.stored, egoact.timelines.output\n"
    code += f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    code += "import torch, egoact.models.backbones.registry as backbones; disable = torch.compiler.disable\n"
    code += "backbones.load_backbone('efficientnet_lite0')\n"
    code += f"print(sorted({HEAVY!r} & set(sys.modules)), torch.compiler.disable is disable)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['timm', 'torchvision'] True\n"


def test_no_process_is_forked() -> None:
    """A fork has the locks of threads that it has not; processes are programs of their own, or are spawned."""
    ways = r"os\.(fork|forkpty|register_at_fork)\b|preexec_fn|multiprocessing\.(Process|Pool)|ddp_(fork|notebook)"
    ways += r"|DataLoader\(|ProcessPoolExecutor\((?!.*mp_context=spawn)|get_context\((?!\"spawn\"\))|set_start_method"
    sources = list(Path(egoact.__file__).parent.rglob("*.py"))
    found = [f"{path.name}: {match[0]}" for path in sources for match in re.finditer(ways, path.read_text("utf-8"))]
    assert len(sources) > 400 and found == []

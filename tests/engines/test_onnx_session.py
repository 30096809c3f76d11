"""Where the threads of ONNX Runtime run."""

import os
import subprocess
import sys

import pytest

from egoact.engines.onnx_session import check_device

THREADS = """
import os
import onnx
from egoact.engines.onnx_session import open_session

core = min(os.sched_getaffinity(0))
before = set(os.listdir("/proc/self/task"))
os.sched_setaffinity(0, {core})
value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
same = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [value], [same])
model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)])
session = open_session(model.SerializeToString())
new = set(os.listdir("/proc/self/task")) - before
assert all(os.sched_getaffinity(int(thread)) == {core} for thread in new), new
"""


def test_a_device_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_device("cpu")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    check_device("cuda")
    with pytest.raises(ValueError, match="has no TensorrtExecutionProvider; install onnxruntime-gpu in its place"):
        check_device("tensorrt")
    with pytest.raises(ValueError, match="of an ONNX export there are cpu, cuda, tensorrt"):
        check_device("cuda:1")


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2 or not os.path.isdir("/proc/self/task"),
    reason="needs Linux and two cores",
)
def test_threads_stay_on_the_cores_that_a_process_may_use() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr

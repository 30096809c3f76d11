"""Processes of ours look for circles of objects less often, and still when they end."""

import subprocess
import sys

import pytest

PROGRAM = "from egoact.core.collecting import collect_rarely; collect_rarely(); import triton"


def test_libraries_see_no_leaks_at_the_end() -> None:
    """Triton's bindings count what is left; unless Python looks once more, they print hundreds of lines."""
    pytest.importorskip("triton", reason="torch brings triton only where there may be a GPU")
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ended.stdout + ended.stderr == ""

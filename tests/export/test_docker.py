"""The Dockerfiles, as far as that goes without Docker; .ci/run installs as the one for x86 says, for other tests."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.makers.machines.places import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(name, what follows it), lines that go on joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_installs_a_wheel_and_runs_the_program(dockerfile: Path) -> None:
    found = instructions(dockerfile)
    names = [name for name, _ in found]
    assert names[0] == "FROM" and names[-2:] == ["ENTRYPOINT", "CMD"]
    for step in (rest for name, rest in found if name == "RUN"):
        subprocess.run(["bash", "-n", "-c", step], check=True)
    copied = next(rest for name, rest in found if name == "COPY").split()
    assert (ROOT / copied[0]).is_file() and copied[1].startswith("dist/")
    program = json.loads(next(rest for name, rest in found if name == "ENTRYPOINT"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert program == [next(iter(project["scripts"]))]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN"), "steps need root"


def test_ci_finds_the_installation_of_the_dockerfile() -> None:
    (wanted,) = re.findall(r"s/\^(RUN pip install)/", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    steps = [" ".join(step) for step in instructions(ROOT / "docker" / "x86.Dockerfile")]
    (step,) = [step for step in steps if step.startswith(wanted)]
    assert "$WHEELS" in step and "constraints.txt" in step

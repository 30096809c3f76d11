"""Checks a list of components (SBOM, CycloneDX) of `pip install egoact`: constraints.txt pins them all.

python .ci/components.py sbom.json
"""

import json
import re
import sys
from pathlib import Path

OURS = {"egoact", "pip", "setuptools"}  # itself, and what a new environment begins with


def plain(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(path: Path) -> None:
    """Fail if a component has another version than the one that was tested."""
    lines = (Path(__file__).parent.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {plain(name): version for name, found, version in (line.partition("==") for line in lines) if found}
    components = json.loads(path.read_text(encoding="utf-8"))["components"]
    listed = {plain(each["name"]): each["version"] for each in components}
    wrong = [
        f"{name} {version}" for name, version in listed.items() if name not in OURS and pinned.get(name) != version
    ]
    if wrong:
        sys.exit(f"{path}: components that constraints.txt does not pin: {', '.join(wrong)}")
    if "egoact" not in listed:
        sys.exit(f"{path}: egoact is not listed")
    print(f"{len(listed)} components, all in the versions of constraints.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

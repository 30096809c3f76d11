"""Assertions that tests of several rooms make."""

import re
from pathlib import Path


def files(path: Path) -> dict[str, bytes]:
    """Every file below a folder: relative path -> content."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def check_self_contained(page: str, *, links: bool = False) -> None:
    """A page needs no other file and no network."""
    assert not re.findall(r"https?://", page)
    assert not re.findall(r'src="(?!data:image/)', page)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", page))
    if not links:
        assert "href=" not in page


def assert_same_run(one: Path, other: Path) -> None:
    """The same models, metrics and curves; only the seconds of an epoch may differ."""
    names = {str(p.relative_to(one)) for p in one.rglob("*") if p.suffix in (".safetensors", ".csv")}
    assert names >= {"model.safetensors", "best/model.safetensors", "last/model.safetensors", "history.csv"}
    for name in (*names, "metrics.json"):
        if name.endswith(".csv"):
            rows = [[line.rpartition(",")[0] for line in (run / name).read_text().splitlines()] for run in (one, other)]
            assert rows[0] == rows[1], name
        else:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name

"""The built front end belongs to its sources, and its types to the schemas."""

import hashlib
import importlib.util
import re

import pytest

from tests.makers.machines.places import ROOT

WEB = ROOT / "web"
BUILT = ROOT / "src" / "egoact" / "studio" / "web"


def sources_digest() -> str:
    """As web/vite.config.js computes it."""
    names = ["index.html", "package-lock.json", "tsconfig.json", "vite.config.js"]
    inside = [path.relative_to(WEB).as_posix() for path in (WEB / "src").rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for name in sorted(names + [each for each in inside if each != "src/api/types.ts"]):
        digest.update(f"{name}\0".encode() + (WEB / name).read_bytes() + b"\0")
    return digest.hexdigest()


def test_the_pages_were_built_from_these_sources() -> None:
    found = re.search(r'<meta name="sources" content="(\w+)">', (BUILT / "index.html").read_text())
    assert found and found[1] == sources_digest(), "web/ was changed and not built: cd web && npm ci && npm run build"


def test_the_types_are_those_of_the_schemas() -> None:
    pytest.importorskip("pydantic", reason="needs the extra studio: pip install 'egoact[studio]'")
    spec = importlib.util.spec_from_file_location("make_types", WEB / "make_types.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    written = (WEB / "src" / "api" / "types.ts").read_text()
    assert written == maker.typescript(), "schemas were changed: python web/make_types.py"


def test_the_pages_need_nothing_from_elsewhere_and_no_inline_script() -> None:
    page = (BUILT / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == [] and "<style" not in page and "style=" not in page
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(named) >= 3, "script, styles and icon"
    assert all((BUILT / name.lstrip("/")).is_file() for name in named)
    styles = "".join(path.read_text() for path in BUILT.rglob("*.css"))
    assert "url(http" not in styles and "@import" not in styles


def test_every_built_file_is_named_by_the_page() -> None:
    page = (BUILT / "index.html").read_text()
    left = [path.name for path in (BUILT / "assets").iterdir() if path.name not in page]
    assert left == [], "left over from another build"

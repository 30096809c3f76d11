"""An export for browsers: beside the ONNX graphs a page that runs them on the pictures of a camera.

    index.html, page.js, page.css         the camera, and what is answered
    recognizer.js, memory.js              a worker: graphs, and what is left of earlier frames
    service-worker.js                     keeps everything for use offline
    web.json                              what the page must know of the run
    ort/                                  onnxruntime-web, from npm

The page computes what `egoact live` does; nothing leaves the browser.
"""

import hashlib
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from egoact.core import defaults
from egoact.core.errors import ArtifactError
from egoact.core.files import make_folder, write_atomically, write_json
from egoact.core.timelines.online_prediction import BACKGROUND_NAME
from egoact.runs.exported_segmenter import FRAME_NAMES, exported_streams
from egoact.runs.graph_files import open_named_graph
from egoact.runs.loading import Run
from egoact.runs.segmenter import SegmenterConfig

RUNTIME = "onnxruntime-web"
RUNTIME_VERSION = "1.30.0"
RUNTIME_FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
    "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
"""What the page takes of the npm package: name -> sha256. Three are for WebAssembly, the others for WebGPU."""


def check_page(run: Run) -> None:
    """An `ArtifactError` for a run that looks into the future, or at something else than single frames."""
    if others := [spec.stream for spec in run.backbones if spec.modality != "rgb"]:
        reason = f"a page sees single pictures, and this run also looks at {', '.join(others)}"
        raise ArtifactError(f"{reason}; train one with --streams rgb", path=run.path)
    if isinstance(run.answers.config, SegmenterConfig) and run.segmenter.looks_ahead:
        reason = "its segmenter looks into the future and cannot answer while things happen"
        raise ArtifactError(f"{reason}; train one that can: egoact train-timeline --segmenter causal", path=run.path)


def find_runtime(folder: Path | None) -> Path:
    """The files of onnxruntime-web, each of them checked, in a folder of the npm package or where node finds it.

    Raises:
        ArtifactError: Not there, or another version.
    """
    here = Path.cwd()
    tried = [folder] if folder is not None else [each / "node_modules" / RUNTIME for each in (here, *here.parents)]
    found = next((each / "dist" for each in tried if (each / "dist").is_dir()), None)
    if found is None:
        reason = f"{RUNTIME} is not here: npm install --no-save {RUNTIME}@{RUNTIME_VERSION} brings it"
        raise ArtifactError(f"{reason}; or give its folder with --web-runtime", path=tried[0])
    for name, digest in RUNTIME_FILES.items():
        path = found / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ArtifactError(f"this is not that file of {RUNTIME} {RUNTIME_VERSION}", path=path)
    return found


def write_page(out: Path, run: Run, runtime: Path) -> None:
    """Write the page beside the ONNX graphs of an export of a run, with the runtime that `find_runtime` found."""
    make_folder(out / "ort")
    for name in RUNTIME_FILES:
        shutil.copy(runtime / name, out / "ort" / name)
    described = _describe(run, out)
    write_json(out / "web.json", described)
    pages = {each.name: each.read_text(encoding="utf-8") for each in files("egoact.export").joinpath("page").iterdir()}
    worker = pages.pop("service-worker.js")
    for name, text in pages.items():
        write_atomically(out / name, text)
    graphs = {described["graph"], *(stream["graph"] for stream in described["streams"])}
    kept = [*pages, *(f"ort/{name}" for name in RUNTIME_FILES), "web.json", *graphs]
    digest = hashlib.sha256(b"".join(hashlib.sha256((out / name).read_bytes()).digest() for name in kept))
    listed = json.dumps(["./", *sorted(kept)])[1:-1]
    worker = worker.replace("@VERSION@", digest.hexdigest()[:16]).replace('"@FILES@"', listed)
    write_atomically(out / "service-worker.js", worker)


def _describe(run: Run, out: Path) -> dict[str, Any]:
    """What the page must know: see `page/recognizer.js` and `memory.js`."""
    config = run.answers.config
    names = {str(target): list(vocabulary.names) for target, vocabulary in config.vocabularies.items()}
    described: dict[str, Any] = {
        "title": run.title,
        "background": BACKGROUND_NAME,
        "size": list(config.backbones[0].input_size),
        "when": "",
    }
    if isinstance(config, SegmenterConfig):
        streams = exported_streams(out, config.backbones).streams
        _, inputs = open_named_graph(out, "step", "onnx")
        return described | {
            "kind": "steps",
            "graph": "step.onnx",
            "names": {target: [*each, BACKGROUND_NAME] for target, each in names.items()},
            "rate": config.steps_per_second,
            "streams": [
                {"graph": f"{FRAME_NAMES[each.num_parts]}.onnx", "parts": (each.num_parts // each.spec.grid) ** 2}
                for each in streams
            ],
            "state": [[1, *inputs[f"state_{i}"][1:]] for i in range(len(inputs) - 1)],
        }
    gap = None if config.anticipation is None else config.anticipation.gap_seconds
    return described | {
        "kind": "window",
        "graph": "window.onnx",
        "names": names,
        "rate": defaults.LIVE_FRAMES_PER_SECOND,
        "when": "" if gap is None else f"in {gap:g} s: ",
        "streams": [{"graph": "frame.onnx", "parts": 1}],
        "numFrames": config.num_frames,
        "featureShape": list(config.feature_shape),
        "windowSeconds": list(config.window_seconds) or [2.0],
        "temperature": dict(config.temperature),
    }

"""The files of MediaPipe's detectors: given, or found where the wheel that brings them is installed."""

import importlib.util
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

from egoact.core.errors import ArtifactError

_INSIDE = "modules/palm_detection/palm_detection_lite.tflite"
HOW_TO_GET_IT = (
    "`pip install --no-deps mediapipe==0.10.21` brings the palm detector (it is read and never imported), "
    "or give its file with --hand-model"
)


def read_hand_model(path: Path | None = None) -> bytes:
    """The palm detector's network, as TensorFlow Lite stores it.

    Args:
        path: A `.tflite` file, or a wheel of MediaPipe; None: the one that is installed.

    Raises:
        ArtifactError: It is not there, or something else; says how to get it.
    """
    return read_network(path, inside=_INSIDE, what="hands", how_to_get_it=HOW_TO_GET_IT)


def read_network(path: Path | None, *, inside: str, what: str, how_to_get_it: str) -> bytes:
    """One of MediaPipe's networks, as TensorFlow Lite stores it.

    Args:
        path: A `.tflite` file, or a wheel of MediaPipe; None: the one that is installed.
        inside: Where it lies in MediaPipe.
        what: What it finds, for messages.
        how_to_get_it: For messages.

    Raises:
        ArtifactError: It is not there, or something else.
    """
    if path is None:
        path = _installed(inside, what, how_to_get_it)
    try:
        content = _from_wheel(path, inside, how_to_get_it) if path.suffix == ".whl" else path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot be read ({error.strerror}); {how_to_get_it}", path=path) from None
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"not a TensorFlow Lite network; {how_to_get_it}", path=path)
    return content


def _installed(inside: str, what: str, how_to_get_it: str) -> Path:
    spec = _find_spec()
    for folder in () if spec is None else spec.submodule_search_locations or ():
        path = Path(folder) / inside
        if path.is_file():
            return path
    missing = "MediaPipe is not installed" if spec is None else "the installed MediaPipe has no such file"
    raise ArtifactError(f"the network that finds {what} is not here: {missing}; {how_to_get_it}")


def _find_spec() -> ModuleSpec | None:
    """Where MediaPipe is, without running any of it."""
    return importlib.util.find_spec("mediapipe")


def _from_wheel(path: Path, inside: str, how_to_get_it: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(f"mediapipe/{inside}")
    except (zipfile.BadZipFile, KeyError):
        raise ArtifactError(f"no wheel of MediaPipe with {inside} inside; {how_to_get_it}", path=path) from None

"""The file of MediaPipe's palm detector: given, or found where the wheel that brings it is installed."""

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
    if path is None:
        path = _installed()
    try:
        content = _from_wheel(path) if path.suffix == ".whl" else path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot be read ({error.strerror}); {HOW_TO_GET_IT}", path=path) from None
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"not a TensorFlow Lite network; {HOW_TO_GET_IT}", path=path)
    return content


def _installed() -> Path:
    spec = _find_spec()
    for folder in () if spec is None else spec.submodule_search_locations or ():
        path = Path(folder) / _INSIDE
        if path.is_file():
            return path
    missing = "MediaPipe is not installed" if spec is None else "the installed MediaPipe has no such file"
    raise ArtifactError(f"the network that finds hands is not here: {missing}; {HOW_TO_GET_IT}")


def _find_spec() -> ModuleSpec | None:
    """Where MediaPipe is, without running any of it."""
    return importlib.util.find_spec("mediapipe")


def _from_wheel(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(f"mediapipe/{_INSIDE}")
    except (zipfile.BadZipFile, KeyError):
        raise ArtifactError(f"no wheel of MediaPipe with {_INSIDE} inside; {HOW_TO_GET_IT}", path=path) from None

"""OpenVINO without its telemetry.

Importing OpenVINO, and NNCF with it, forks a process that sends usage statistics over the network, and leaves an
identifier in the user's home folder. We promise to use no network, so the module that does it is hidden first: both
libraries then take the stub that they bring for this case.
"""

import sys
from types import ModuleType

_TELEMETRY = "openvino_telemetry"


def import_openvino() -> ModuleType:
    """The module `openvino`; always import it, and NNCF, after this call.

    A program that imported OpenVINO before us has decided for itself.
    """
    if _TELEMETRY not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # makes `import` raise ModuleNotFoundError
    import openvino

    return openvino

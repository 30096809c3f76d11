"""One module a command: its settings, whose fields are the flags and whose docstrings are the help, and one function.

A command unpacks its settings and calls the rooms; nothing below knows settings. It gives how many inputs failed, and
raises a type of `core/errors.py` for bad input, `ValueError` for bad flags. Imports everything but `report`, which
reads from disk what a command wrote. The folders are the groups of `egoact --help`; what several of them need lies
beside them.
"""

GROUPS = {
    "start": ("demo", "studio"),
    "data": (
        "kitchen",
        "stats",
        "convert",
        "import-dataset",
        "extract",
        "flow",
        "import-features",
        "import-encoder",
        "verify",
        "blur",
    ),
    "learning": (
        "train",
        "train-timeline",
        "learning-curve",
        "tune",
        "tune-timeline",
        "finetune",
        "compress",
        "systems",
    ),
    "using": ("evaluate", "compare", "explain", "predict", "live", "export", "serve-web", "hub"),
    "measuring": ("bench", "reproduce", "baselines", "submit"),
}
"""Folder -> its commands, in the order in which help lists them."""


def command_module(name: str) -> str:
    """The module of a command that is called by its name, such as "train"."""
    folder = next(folder for folder, names in GROUPS.items() if name in names)
    return f"{__name__}.{folder}.{name.replace('-', '_')}"

"""How often this process looks for objects that refer to each other in circles."""

import atexit
import gc

_NEW_OBJECTS = 10_000  # after so many it looks; Python's own number is 700


def collect_rarely() -> None:
    """For a process of our own: look less often, and not when it ends.

    Python looks through everything again and again while libraries are imported that make a million objects, and once
    more at the end, when the system takes all memory back anyway: together a quarter of what `import torch` takes.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    atexit.unregister(gc.freeze)  # where this was called before
    atexit.register(gc.freeze)

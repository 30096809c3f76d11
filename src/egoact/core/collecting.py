"""How often this process looks for objects that refer to each other in circles."""

import gc

_NEW_OBJECTS = 10_000  # after so many it looks; Python's own number is 700


def collect_rarely() -> None:
    """For a process of our own: look less often.

    Python looks through everything again and again while libraries are imported that make a million objects. The last
    look, when the process ends, stays: without it, libraries bound by nanobind print what they believe to be leaks.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])

"""`python -m egoact`, and the program `egoact`."""

import atexit
import sys

from egoact.core.stopping import STOPPED_CODE, ignore_stops, let_end, say_stopped, take_stops


def program() -> None:
    """Run the command line in a process of its own, which may be stopped as it begins and as it ends, too."""
    atexit.register(ignore_stops)  # registered first, it is called last
    take_stops()
    try:
        from egoact.cli import main

        main()
    except KeyboardInterrupt:
        say_stopped()
        sys.exit(STOPPED_CODE)
    finally:
        let_end()


if __name__ == "__main__":
    program()

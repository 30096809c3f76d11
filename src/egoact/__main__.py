"""`python -m egoact`, and the program `egoact`."""

import sys

from egoact.core.stopping import STOPPED_CODE, ignore_stops, say_stopped, take_stops


def program() -> None:
    """Run the command line in a process of its own, which may be stopped as it begins and as it ends, too."""
    take_stops()
    try:
        from egoact.cli import main

        main()
    except KeyboardInterrupt:
        say_stopped()
        sys.exit(STOPPED_CODE)
    finally:
        ignore_stops()


if __name__ == "__main__":
    program()

"""`python -m egoact`."""

from egoact.cli import main

if __name__ == "__main__":
    main()

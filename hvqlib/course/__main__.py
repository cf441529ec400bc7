"""Do a chore of the project: python -m hvqlib.course setup | run | test | lab | ... (`--help` lists them)."""

import sys

if sys.version_info < (3, 8):  # noqa: UP036  # cannot read what is imported below
    sys.exit("hvqlib needs Python 3.11.4 or newer: name one, as in `python3.12 -m hvqlib.course setup`.")

from hvqlib.course.chores import main

if __name__ == "__main__":
    sys.exit(main())

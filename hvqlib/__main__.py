"""`python -m hvqlib` is the command `hvq`."""

import sys

from hvqlib.cli import main

sys.exit(main())

"""`python -m hvqlib` is the command `hvq`."""

import sys

from .cli import main

sys.exit(main())

"""`python -m auscult` is the program `auscult`."""

import sys

from auscult._program import main

sys.exit(main())

"""`python -m soundpost` is the program `soundpost`."""

import sys

from soundpost._program import main

sys.exit(main())

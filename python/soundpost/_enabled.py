"""The flag that every decorated function has in its closure: whether anything is recorded."""

from types import CellType

ENABLED = CellType(False)
"""Contains True between `init` and `shutdown`."""

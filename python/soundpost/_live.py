"""Whether anything is recorded: one cell that every decorated function has in its closure."""

from types import CellType

LIVE = CellType(False)
"""Holds True between `init` and `shutdown`."""

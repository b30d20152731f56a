"""The flag that every decorated function has in its closure: whether anything is recorded."""

from __future__ import annotations

from types import CellType


class _Off(tuple[()]):
    """False. In a function that was pickled by value it becomes True: there the recorder decides."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[bool], tuple[int]]:
        return bool, (1,)


OFF = _Off()
ENABLED = CellType(OFF)
"""Contains True between `init` and `shutdown`, else `OFF`."""

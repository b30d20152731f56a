"""Results with a part that runs later: the recorded part takes the place of the original."""

from __future__ import annotations

import functools
from typing import Any

from soundpost._native import fault


def replaced(operation: str, result: Any, place: Any, part: Any) -> Any:
    """Returns the result with the recorded part in its place; a dict, list or object is changed itself."""
    try:
        if isinstance(result, tuple):
            position = place if isinstance(place, int) else type(result)._fields.index(place)  # type: ignore[attr-defined]
            items = [*result[:position], part, *result[position + 1 :]]
            return type(result)._make(items) if hasattr(result, "_make") else type(result)(items)
        if isinstance(result, (dict, list)):
            result[place] = part
        else:
            setattr(result, place, part)
    except Exception as error:
        fault(
            "iterates",
            operation,
            f"{operation!r}: the part {place!r} of its result cannot be followed",
            error,
        )
    return result


class Followed:
    """An iterator in the place of one of another class, whose attributes it has."""

    def __init__(self, iterator: Any, recorded: Any) -> None:
        self.__dict__["_soundpost_iterator"] = iterator
        self.__dict__["_soundpost_recorded"] = recorded

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._soundpost_recorded)

    def close(self) -> None:
        """Closes the recorded iterator, and with it the original."""
        self._soundpost_recorded.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._soundpost_iterator, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._soundpost_iterator, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # `isinstance` finds the class of the original.
        return type(self.__dict__["_soundpost_iterator"])


_OWN = frozenset(dir(Followed))


def followed(iterator: Any, recorded: Any) -> Followed:
    """Returns an iterator over `recorded` that is otherwise like `iterator`."""
    return _class_for(type(iterator))(iterator, recorded)  # type: ignore[no-any-return, arg-type]


@functools.lru_cache(maxsize=256)
def _class_for(original: type) -> Any:
    """Returns a subclass of `Followed` with the special methods of another class."""

    def forwards(name: str) -> Any:
        return lambda self, *args: getattr(self._soundpost_iterator, name)(*args)

    names = [name for name in dir(original) if name.startswith("__") and name not in _OWN]
    return type(original.__name__, (Followed,), {name: forwards(name) for name in names})

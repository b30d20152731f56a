"""Sources of labels and fields that several integrations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Function = Callable[[Mapping[str, Any]], Any]


def length(text: object) -> int | None:
    """Returns the characters of texts; None for a generator, which only the service may read."""
    if isinstance(text, str):
        return len(text)
    if isinstance(text, (list, tuple)):
        return sum(len(each) for each in text if isinstance(each, str))
    return None


def characters(parameter: str = "text") -> Function:
    """Returns the source of a parameter's length in characters."""
    return lambda arguments: length(arguments.get(parameter))


def texts(parameter: str = "text") -> Function:
    """Returns the source of the number of texts in a parameter: one, or those of a list."""

    def count(arguments: Mapping[str, Any]) -> int:
        given = arguments.get(parameter)
        return len(given) if isinstance(given, (list, tuple)) else 1

    return count


def one_of(parameter: str, otherwise: str = "") -> Function:
    """Returns the source of a lower-case name: the only one of a list, or `mixed`; `otherwise` for None."""

    def name(arguments: Mapping[str, Any]) -> str:
        given = arguments.get(parameter)
        if isinstance(given, str):
            return given.lower()
        names = set(given) if isinstance(given, (list, tuple)) else {given}
        only = names.pop() if len(names) == 1 else "mixed"
        return otherwise if only is None else str(only).lower()

    return name


def constant(value: str) -> Function:
    """Returns the source of one value."""
    return lambda _arguments: value

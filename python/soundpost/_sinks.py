"""Sinks: where `init(sinks=[...])` ships what is stored. `init` checks what they hold.

The classes are made from the options that the binding declares; `_sinks.pyi` shows them.
"""

from __future__ import annotations

import inspect
import os
from urllib.parse import urlsplit

from soundpost import _native

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


class Sink:
    """A sink of any kind."""

    __slots__ = ("_options", "_place")
    _kind: str
    _is_path: bool
    _types: dict[str, str]

    def __init__(self, *arguments: object, **options: object) -> None:
        bound = inspect.signature(type(self)).bind(*arguments, **options).arguments
        (_, place), *rest = bound.items()
        self._place = self._located(place)
        given = ((name, value) for name, value in rest if value is not None)
        self._options = tuple((name, _text(value, self._types[name])) for name, value in given)

    def __repr__(self) -> str:
        place = self._place if self._is_path else _without_secrets(self._place)
        return f"soundpost.{type(self).__name__}({place!r})"

    def _located(self, place: object) -> str:
        text = os.fsdecode(place) if isinstance(place, os.PathLike) else str(place)
        return os.path.abspath(text) if self._is_path and text not in ("", "-") else text

    def _as_tuple(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        return self._kind, self._place, self._options


def _text(value: object, declared: str) -> str:
    """Returns the text of an option's value, as a URL spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and declared == "int | str":
        return f"{value:o}"  # permissions of a file
    return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)


def _without_secrets(url: str) -> str:
    """Returns a URL without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "..."
    # A text that is no URL may be a secret.
    if not parts.netloc:
        return "..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _made(name: str, kind: str, about: str, is_path: bool, options: list[tuple[str, str, str]]) -> type[Sink]:
    """Returns the class of a kind of sink."""
    place = inspect.Parameter("path" if is_path else "url", _POSITIONAL)
    keywords = [inspect.Parameter(option, _KEYWORD, default=None) for option, _, _ in options]
    lines = [f"    {option}: {description}" for option, _, description in options]
    return type(
        name,
        (Sink,),
        {
            "__slots__": (),
            "__module__": "soundpost",
            "__doc__": "\n".join([about, "", "Args:", *lines]),
            "__signature__": inspect.Signature([place, *keywords]),
            "_kind": kind,
            "_is_path": is_path,
            "_types": {option: declared for option, declared, _ in options},
        },
    )


globals().update({kind[0]: _made(*kind) for kind in _native.sink_kinds()})

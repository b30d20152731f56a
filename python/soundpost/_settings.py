"""The settings of `init`: from arguments, from `SOUNDPOST_*` variables, or their defaults; checked."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from soundpost._sinks import Sink

T = TypeVar("T")


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "..."


UNSET: Final = Unset()
"""An argument that was not given: its variable counts, or else its default."""

DEFAULTS: Mapping[str, object] = {
    "version": None,
    "listen": "127.0.0.1:9464",
    "gpu": True,
    "torch": True,
    "sample_interval": 1.0,
    "gpu_memory_interval": 0.1,
    "labels": (),
    "directory": None,
    "sinks": (),
    "namespace": None,
    "instance": None,
    "commit": None,
    "bearer_token": None,
    "bearer_token_file": None,
    "basic_auth": None,
    "tls_cert": None,
    "tls_key": None,
    "idle_limit": None,
    "segment_bytes": None,
    "store": True,
    "store_days": None,
    "store_bytes": None,
    "redact": (),
    "record_text": False,
    "logs": None,
}
_TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class WrongError(ValueError):
    """What is wrong with a value, without the name of where it came from."""


def settings(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """All settings, checked.

    Args:
        given: The arguments of `init`; those that are `UNSET` come from the environment.
        environment: Where the variables are.

    Raises:
        ValueError: A value cannot be used; the message begins with the argument or variable and says what to
            change.
    """
    read = {name: _one(name, value, environment) for name, value in given.items()}
    token_file = read.pop("bearer_token_file")
    if token_file is not None:
        if read["bearer_token"] is not None:
            raise ValueError("bearer_token_file: bearer_token is given as well; give one of them")
        read["bearer_token"] = _checked("bearer_token_file", _content, token_file)
    cert, key = read.pop("tls_cert"), read.pop("tls_key")
    if (cert is None) != (key is None):
        missing = "tls_key" if key is None else "tls_cert"
        raise ValueError(f"{missing}: a certificate and its key go together; give both or none")
    read["tls"] = None if cert is None else (cert, key)
    if read["bearer_token"] is not None and read["basic_auth"] is not None:
        raise ValueError("basic_auth: bearer_token is given as well; give one of them")
    return read


def _one(name: str, value: Any, environment: Mapping[str, str]) -> Any:
    check = _CHECKS[name]
    if value is not UNSET:
        return _checked(name, check, value)
    variable = "SOUNDPOST_" + name.upper()
    text = environment.get(variable)
    # A variable set to nothing is one that is not set, except where nothing is a value.
    if text is not None and (text or name == "listen"):
        return _checked(variable, check, text)
    if name == "service":
        raise ValueError(
            'service: give the name of the service, as init(service="...") or as SOUNDPOST_SERVICE'
        )
    return DEFAULTS[name]


def _checked(source: str, check: Callable[[Any], T], value: Any) -> T:
    try:
        return check(value)
    except WrongError as wrong:
        raise ValueError(f"{source}: {wrong}") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WrongError(f"{value!r} is no text")
    return value


def _optional(check: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else check(value)


def _address(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "off")):
        return None
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise WrongError(f'{value!r} is no address; give "host:port", such as "127.0.0.1:9464", or None')
    return f"{host}:{port}"


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None
    if truth is None:
        raise WrongError(f"{value!r} is neither true nor false; give 1 or 0")
    return truth


def _truth_or(word: str) -> Callable[[object], bool | str]:
    def check(value: object) -> bool | str:
        if isinstance(value, str) and value.strip().lower() == word:
            return word
        try:
            return _truth(value)
        except WrongError:
            raise WrongError(f'{value!r} is none of true, false and "{word}"') from None

    return check


def _seconds(value: object) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0.0 < seconds < 1e9:
        raise WrongError(f"{value!r} is no number of seconds above 0")
    return seconds


def _days(value: object) -> float:
    try:
        return _seconds(value)
    except WrongError:
        raise WrongError(f"{value!r} is no number of days above 0") from None


def _interval(value: object) -> float:
    seconds = _seconds(value)
    if not 0.1 <= seconds <= 60.0:
        raise WrongError(f"{value!r} is no number of seconds from 0.1 to 60")
    return seconds


def _glances(value: object) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "off")):
        return None
    seconds = _seconds(value)
    if not 0.05 <= seconds <= 1.0:
        raise WrongError(f"{value!r} is no number of seconds from 0.05 to 1, and not None")
    return seconds


def _bytes(value: object) -> int:
    try:
        size = 0 if isinstance(value, (bool, float)) else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        size = 0
    if size <= 0:
        raise WrongError(f"{value!r} is no number of bytes above 0")
    return int(size)


def _store_bytes(value: object) -> int:
    size = _bytes(value)
    if size < 16 << 20:
        raise WrongError(f"{value!r} is too little; the least is {16 << 20} (16 MiB)")
    return size


def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise WrongError(f'{value!r} are no labels; give "name=value,name=value"')
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise WrongError(f"{value!r} are no labels; give a dict of names to values")
    for name in value:
        if not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", name) or name in ("le", "quantile"):
            raise WrongError(f"{name!r} is no name that a label can have; use letters, digits and _")
    return tuple(sorted((name, str(text)) for name, text in value.items()))


def _path(value: object) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise WrongError(f"{value!r} is no path")
    return os.path.abspath(os.fsdecode(value))


def _sinks(value: Any) -> Any:
    """Kinds, places and options of sinks; or the text of a variable, which names them by URLs."""
    if isinstance(value, str):
        # What is in them may be a secret: it is not shown.
        for number, url in enumerate(value.replace(",", " ").split(), 1):
            if ":" not in url:
                raise WrongError(
                    f"number {number} of the list is no URL; give one such as loki+http://loki:3100, "
                    "with %2C for a comma in it and %20 for a space"
                )
        return value
    if not isinstance(value, Iterable):
        raise WrongError(f"{type(value).__name__} is no list; give a list of sinks")
    sinks = tuple(value)
    for sink in sinks:
        if not isinstance(sink, Sink):
            raise WrongError(
                f"{type(sink).__name__} is no sink; give an InfluxDB, Graylog, Loki or JsonLines"
            )
    asked = tuple(sink._as_tuple() for sink in sinks)
    for kind, place, options in asked:
        for name, text in (("URL or path", place), *options):
            if not _is_unicode(text):
                raise WrongError(f"{kind}: {name}: it has characters that are no Unicode")
    return asked


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _patterns(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [line.strip() for line in value.splitlines() if line.strip()]
    if not isinstance(value, Iterable):
        raise WrongError(f"{value!r} are no patterns; give a list of regular expressions")
    patterns = tuple(value)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise WrongError(f"{patterns!r} are no patterns; give regular expressions as texts")
    return patterns


def _logs(value: object) -> int | None:
    """The level from which on records are recorded; 0 for all that the root logger lets through."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str):
        import logging

        level = logging.getLevelName(value.strip().upper())
        if isinstance(level, int):
            return level
    try:
        return 0 if value is not None and _truth(value) else None
    except WrongError:
        raise WrongError(f"{value!r} is neither true nor false, and no level such as 'INFO'") from None


def _basic_auth(value: Any) -> tuple[str, str]:
    parts = tuple(value.partition(":")[::2]) if isinstance(value, str) and ":" in value else value
    if (
        not isinstance(parts, (tuple, list))
        or len(parts) != 2
        or not all(isinstance(part, str) for part in parts)
    ):
        # The value is a secret: it is not shown.
        raise WrongError('give (user, password), or "user:password"')
    user, password = parts
    if not user or not password or ":" in user:
        raise WrongError("neither the user nor the password may be empty, and the user has no colon")
    return (user, password)


def _secret(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WrongError("give a text that is not empty")
    return value.strip()


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return _secret(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongError(f"{path!r} cannot be read: {error}") from None


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "service": _text,
    "version": _optional(_text),
    "listen": _address,
    "gpu": _truth_or("all"),
    "torch": _truth_or("always"),
    "sample_interval": _interval,
    "gpu_memory_interval": _glances,
    "labels": lambda value: () if value is None else _labels(value),
    "directory": _optional(_path),
    "sinks": lambda value: () if value is None else _sinks(value),
    "namespace": _optional(_text),
    "instance": _optional(_text),
    "commit": _optional(_text),
    "bearer_token": _optional(_secret),
    "bearer_token_file": _optional(_path),
    "basic_auth": _optional(_basic_auth),
    "tls_cert": _optional(_path),
    "tls_key": _optional(_path),
    "idle_limit": _optional(_seconds),
    "segment_bytes": _optional(_bytes),
    "store": _truth,
    "store_days": _optional(_days),
    "store_bytes": _optional(_store_bytes),
    "redact": lambda value: () if value is None else _patterns(value),
    "record_text": _truth,
    "logs": _logs,
}

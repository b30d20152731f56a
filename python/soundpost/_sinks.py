"""Sinks: where `init(sinks=[...])` ships what is stored. What they hold is checked by `init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias, Union
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_Option: TypeAlias = Union[str, int, float, "os.PathLike[str]", None]


class Sink:
    """What `init` takes in `sinks`: an `InfluxDB`, `Graylog`, `Loki` or `JsonLines`."""

    __slots__ = ("_kind", "_options", "_place")

    def __init__(self, kind: str, place: str, options: Mapping[str, _Option]) -> None:
        self._kind = kind
        self._place = place
        self._options = tuple((name, _text(value)) for name, value in options.items() if value is not None)

    def __repr__(self) -> str:
        place = self._place if self._kind == "jsonl" else _shown(self._place)
        return f"soundpost.{type(self).__name__}({place!r})"

    def _as_tuple(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        return self._kind, self._place, self._options


class InfluxDB(Sink):
    """Writes calls and vitals to InfluxDB, or to what takes its protocol."""

    __slots__ = ()

    def __init__(
        self,
        url: str,
        *,
        org: str | None = None,
        bucket: str | None = None,
        database: str | None = None,
        retention_policy: str | None = None,
        api: Literal["v1", "v2", "v3"] | None = None,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        token_env: str | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        name: str | None = None,
        timeout: float | None = None,
        longest_wait: float | None = None,
        batch: int | None = None,
    ) -> None:
        """A sink for the server at a URL, such as `"http://influx:8086"`.

        Args:
            url: `http` or `https`.
            org: The organisation that has the bucket.
            bucket: The bucket, of v2.
            database: The database, of v1 and v3.
            retention_policy: The database's retention policy, of v1.
            api: How to write. Default: v2 where there is a bucket, else v1.
            token: The token. Better is a file or variable that has it.
            token_file: The file that has it.
            token_env: The variable that has it.
            user: The user, of v1.
            password: The user's password. Better is a file or variable that has it.
            password_file: The file that has it.
            password_env: The variable that has it.
            ca_file: Certificates to trust beside those of the system, PEM.
            name: What the sink is called in metrics and messages. Default: `influxdb`.
            timeout: Seconds that the server may take for an answer. Default: 10.
            longest_wait: Most seconds between two tries while the server is away. Default: 30.
            batch: Most records in a request, up to 5,000. Default: 5,000.
        """
        super().__init__("influxdb", url, _options(locals()))


class Graylog(Sink):
    """Sends log events, and each finished call as one, to Graylog, in GELF."""

    __slots__ = ()

    def __init__(
        self,
        url: str,
        *,
        bulk: bool | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        name: str | None = None,
        timeout: float | None = None,
        longest_wait: float | None = None,
        batch: int | None = None,
    ) -> None:
        """A sink for the input at a URL, such as `"tcp://graylog:12201"`.

        Args:
            url: `tcp`, `tls`, `udp`, `http` or `https`. Only the last two are answered by the server.
            bulk: Whether to send many records in a request; the input's "Enable Bulk Receiving" must be set.
            user: The user, for a proxy before the input. Of `http` and `https` alone.
            password: The user's password. Better is a file or variable that has it.
            password_file: The file that has it.
            password_env: The variable that has it.
            ca_file: Certificates to trust beside those of the system, PEM.
            name: What the sink is called in metrics and messages. Default: `graylog`.
            timeout: Seconds that the server may take. Default: 10.
            longest_wait: Most seconds between two tries while the server is away. Default: 30.
            batch: Most records at once, up to 100,000.
        """
        super().__init__("graylog", url, _options(locals()))


class Loki(Sink):
    """Pushes log events, and each finished call as one, to Grafana Loki."""

    __slots__ = ()

    def __init__(
        self,
        url: str,
        *,
        tenant: str | None = None,
        extras: Literal["metadata", "logfmt"] | None = None,
        encoding: Literal["protobuf", "json"] | None = None,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        token_env: str | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        name: str | None = None,
        timeout: float | None = None,
        longest_wait: float | None = None,
        batch: int | None = None,
    ) -> None:
        """A sink for the server at a URL, such as `"http://loki:3100"`.

        Args:
            url: `http` or `https`.
            tenant: The tenant (`X-Scope-OrgID`).
            extras: Where fields go: structured metadata, or logfmt at the end of the line. Default: metadata,
                and logfmt where the server has none.
            encoding: How requests are encoded. Default: protobuf.
            token: A bearer token. Better is a file or variable that has it.
            token_file: The file that has it.
            token_env: The variable that has it.
            user: The user.
            password: The user's password. Better is a file or variable that has it.
            password_file: The file that has it.
            password_env: The variable that has it.
            ca_file: Certificates to trust beside those of the system, PEM.
            name: What the sink is called in metrics and messages. Default: `loki`.
            timeout: Seconds that the server may take for an answer. Default: 10.
            longest_wait: Most seconds between two tries while the server is away. Default: 30.
            batch: Most records in a request, up to 10,000. Default: 1,000.
        """
        super().__init__("loki", url, _options(locals()))


class JsonLines(Sink):
    """Writes log events, and each finished call as one, as lines of JSON."""

    __slots__ = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rotate_bytes: int | None = None,
        rotate_age: float | None = None,
        keep: int | None = None,
        mode: int | str | None = None,
        name: str | None = None,
        longest_wait: float | None = None,
        batch: int | None = None,
    ) -> None:
        """A sink for the file at a path; `"-"` is standard output.

        Args:
            path: The file.
            rotate_bytes: Begins a new file when this one is so long, bytes. Default: 64 MiB.
            rotate_age: Begins a new file when this one is so old, seconds. Default: never.
            keep: How many full files are kept beside the one that is written. Default: 5.
            mode: Permissions of files that it creates, such as `0o640` or `"640"`. Default: `0o600`.
            name: What the sink is called in metrics and messages. Default: `jsonl`.
            longest_wait: Most seconds between two tries while the file cannot be written. Default: 30.
            batch: Most records at once, up to 100,000. Default: 4,096.
        """
        place = os.fsdecode(path)
        options = _options(locals())
        if isinstance(mode, int):
            options["mode"] = f"{mode:o}"
        super().__init__("jsonl", place if place in ("", "-") else os.path.abspath(place), options)


def _options(arguments: Mapping[str, object]) -> dict[str, _Option]:
    """The keyword arguments of an `__init__`, of its `locals()`."""
    others = ("self", "url", "path", "place", "__class__")
    return {name: value for name, value in arguments.items() if name not in others}  # type: ignore[misc]


def _text(value: _Option) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)


def _shown(place: str) -> str:
    """A URL without what nobody may see: user, password and query."""
    try:
        parts = urlsplit(place)
    except ValueError:
        return "..."
    # What is no URL may be anything.
    if not parts.netloc:
        return "..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

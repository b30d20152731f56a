# Generated from the code by `cargo run -p soundpost --features sinks --example sink_reference -- python`.
"""Sinks: where `init(sinks=[...])` ships what is stored. `init` checks what they hold."""

import os
from typing import Literal

class Sink:
    """A sink of any kind."""

    def _as_tuple(self) -> tuple[str, str, tuple[tuple[str, str], ...]]: ...

class InfluxDB(Sink):
    """Writes calls and vitals to InfluxDB, or to a server that accepts its line protocol."""

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
        timeout: float | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        name: str | None = None,
        batch: int | None = None,
        longest_wait: float | None = None,
    ) -> None:
        """Returns a sink. Arguments that are None have their default.

        Args:
            url: `http://` (port 80), `https://` (port 443); in the list of `SOUNDPOST_SINKS` with `influxdb+`
                before it.
            org: Organisation that has the bucket, of v2. Default: none.
            bucket: Bucket, of v2. Default: none.
            database: Database, of v1 and v3. Default: none.
            retention_policy: Retention policy of the database, of v1. Default: the database's own.
            api: Version of the API: `v1` (`/write`), `v2` (`/api/v2/write`) or `v3` (`/api/v3/write_lp`).
                Default: `v2` with a bucket, else `v1`.
            token: Token. A file or variable that has it is better. Default: none.
            token_file: File that has the token. It is read again when the server refuses the token. Default:
                none.
            token_env: Environment variable that has the token; it is read once, at the start. Default: none.
            timeout: Timeout of the server for an answer, and for taking what is sent, in seconds. Default:
                10.
            ca_file: File with certificates to trust beside those of the system, in PEM form. Default: none.
            user: User, of v1. Default: none.
            password: Password of the user. A file or variable that has it is better. Default: none.
            password_file: File that has the password. Default: none.
            password_env: Environment variable that has the password; it is read once, at the start. Default:
                none.
            name: Name in metrics, messages and the store, where a sink of a new name starts anew. Two sinks
                of one kind need two names. Default: `influxdb`.
            batch: Maximum number of records at once. Default: 5,000, which is the maximum.
            longest_wait: Maximum wait between two tries while the receiver is away, in seconds. Default: 30.
        """

class Graylog(Sink):
    """Sends log events, and each finished call as one, to Graylog, in GELF."""

    def __init__(
        self,
        url: str,
        *,
        bulk: bool | None = None,
        timeout: float | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        name: str | None = None,
        batch: int | None = None,
        longest_wait: float | None = None,
    ) -> None:
        """Returns a sink. Arguments that are None have their default.

        Args:
            url: `tcp://` (port 12201), `tls://` (port 12201), `udp://` (port 12201), `http://` (port 80),
                `https://` (port 443); in the list of `SOUNDPOST_SINKS` with `graylog+` before it.
            bulk: Sends many records in a request, one on each line, over `http` and `https`. The input's
                "Enable Bulk Receiving" must be set: without it Graylog takes the first record and loses the
                others. Default: false.
            timeout: Timeout of the server for an answer, and for taking what is sent, in seconds. Default:
                10.
            ca_file: File with certificates to trust beside those of the system, in PEM form. Default: none.
            user: User, for a proxy before the input, over `http` and `https`. Default: none.
            password: Password of the user. A file or variable that has it is better. Default: none.
            password_file: File that has the password. Default: none.
            password_env: Environment variable that has the password; it is read once, at the start. Default:
                none.
            name: Name in metrics, messages and the store, where a sink of a new name starts anew. Two sinks
                of one kind need two names. Default: `graylog`.
            batch: Maximum number of records at once. Default: by the protocol, at most 100,000.
            longest_wait: Maximum wait between two tries while the receiver is away, in seconds. Default: 30.
        """

class Loki(Sink):
    """Pushes log events, and each finished call as one, to Grafana Loki."""

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
        timeout: float | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        user: str | None = None,
        password: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        password_env: str | None = None,
        name: str | None = None,
        batch: int | None = None,
        longest_wait: float | None = None,
    ) -> None:
        """Returns a sink. Arguments that are None have their default.

        Args:
            url: `http://` (port 80), `https://` (port 443); in the list of `SOUNDPOST_SINKS` with `loki+`
                before it.
            tenant: Tenant, sent as `X-Scope-OrgID`. Default: none.
            extras: Place of fields: `metadata` (structured metadata), or `logfmt` (at the end of the line,
                for servers without structured metadata). A server that refuses metadata gets logfmt by
                itself. Default: `metadata`.
            encoding: Encoding of requests: `protobuf`, or `json` for servers that accept nothing else.
                Default: `protobuf`.
            token: Token. A file or variable that has it is better. Default: none.
            token_file: File that has the token. It is read again when the server refuses the token. Default:
                none.
            token_env: Environment variable that has the token; it is read once, at the start. Default: none.
            timeout: Timeout of the server for an answer, and for taking what is sent, in seconds. Default:
                10.
            ca_file: File with certificates to trust beside those of the system, in PEM form. Default: none.
            user: User, as Grafana's cloud and a proxy want one. Default: none.
            password: Password of the user. A file or variable that has it is better. Default: none.
            password_file: File that has the password. Default: none.
            password_env: Environment variable that has the password; it is read once, at the start. Default:
                none.
            name: Name in metrics, messages and the store, where a sink of a new name starts anew. Two sinks
                of one kind need two names. Default: `loki`.
            batch: Maximum number of records at once. Default: 1,000, at most 10,000.
            longest_wait: Maximum wait between two tries while the receiver is away, in seconds. Default: 30.
        """

class JsonLines(Sink):
    """Writes log events, and each finished call as one, as lines of JSON."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rotate_bytes: int | None = None,
        rotate_age: float | None = None,
        keep: int | None = None,
        mode: int | str | None = None,
        name: str | None = None,
        batch: int | None = None,
        longest_wait: float | None = None,
    ) -> None:
        """Returns a sink. Arguments that are None have their default.

        Args:
            path: a path, `-` for standard output; in the list of `SOUNDPOST_SINKS` `jsonl:PATH`.
            rotate_bytes: Size at which a new file is begun, in bytes. Default: 64 MiB.
            rotate_age: Span of the clock, counted from 1970 in UTC, after which a new file is begun, in
                seconds: 86400 gives each day its own. Default: never.
            keep: Number of rotated files that are kept beside the one that is written. Default: 5.
            mode: Permissions of created files, octal, such as 640 (`0o640` in code) for a shipper of the same
                group. Default: 600.
            name: Name in metrics, messages and the store, where a sink of a new name starts anew. Two sinks
                of one kind need two names. Default: `jsonl`.
            batch: Maximum number of records at once. Default: 4,096, at most 100,000.
            longest_wait: Maximum wait between two tries while the receiver is away, in seconds. Default: 30.
        """

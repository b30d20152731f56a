"""Tests of instrumented code: a capture of its calls and log events.

With pytest, `pytest_plugins = ["soundpost.testing"]` in `conftest.py` adds the fixture `soundpost_capture`::

    def test_speech_has_audio(soundpost_capture):
        synthesize("hello")
        (call,) = soundpost_capture.calls
        assert (call.outcome, call.audio_seconds) == ("ok", 0.5)
"""

from __future__ import annotations

import contextlib
import tempfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from soundpost import _init
from soundpost._reading import CallRecords, LogRecords, read_calls, read_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 30.0


class Captured:
    """The calls and log events since the start of a capture."""

    def __init__(self) -> None:
        self._since = datetime.now(timezone.utc)

    @property
    def calls(self) -> CallRecords:
        """The calls that ended, in the order of their ends."""
        _init.flush(_PATIENCE)
        return read_calls(since=self._since, order="oldest")

    @property
    def logs(self) -> LogRecords:
        """The log events, in their order, without those of Soundpost itself."""
        _init.flush(_PATIENCE)
        found = read_logs(since=self._since, order="oldest")
        return LogRecords(record for record in found if record.logger != "soundpost")


@contextlib.contextmanager
def capture() -> Iterator[Captured]:
    """Captures the calls and log events of a block.

    Before `init`, the block has telemetry of its own: a service `test` in a temporary directory, without
    endpoint, host and GPU samples, which is shut down at the end of the block. After `init`, it shares the
    running telemetry, whose store must be on.

    Raises:
        ValueError: The running telemetry has no store, or `SOUNDPOST_DISABLED` is set.
    """
    if (settings := _init.running()) is not None:
        if settings.disabled or not settings["store"]:
            raise ValueError("soundpost: a capture needs the store; call init with store=True")
        yield Captured()
        return
    with tempfile.TemporaryDirectory(prefix="soundpost-capture-") as directory:
        # Variables of the service do not ship the test's records.
        _init.init(
            "test",
            directory=directory,
            listen=None,
            labels={},
            sinks=[],
            gpu=False,
            sample_interval=None,
            store=True,
            logs=True,
        )
        try:
            if _init.running().disabled:  # type: ignore[union-attr]
                raise ValueError("soundpost: SOUNDPOST_DISABLED is set, so a capture records nothing")
            yield Captured()
        finally:
            _init.shutdown(_PATIENCE)


try:
    import pytest
except ImportError:
    pass
else:

    @pytest.fixture
    def soundpost_capture() -> Iterator[Captured]:
        """The calls and log events of a test."""
        with capture() as captured:
            yield captured

"""An outage: the server stops, the service records on, is killed and started again, and the server returns."""

from collections.abc import Callable
from contextlib import suppress

from demo.service import poll
from server import Server
from service import Recorder

import soundpost

DELIVERY_SECONDS = 90.0


def outage(server: Server, recorder: Recorder, delivered: Callable[[], set[str]]) -> None:
    """Takes a sink through an outage, and fails unless the server then has exactly the stored calls.

    `delivered` returns the request ids of the calls that the server has.
    """
    recorder.record(30)
    settle(recorder, delivered)
    server.stop()
    recorder.record(30)
    recorder.kill_while_recording()
    recorder.start()
    recorder.record(30)
    server.start()
    recorder.record(30)
    settle(recorder, delivered)


def settle(recorder: Recorder, delivered: Callable[[], set[str]]) -> None:
    """Waits until the store has every confirmed call, and the server has what the store has."""

    def complete() -> bool:
        try:
            stored = recorder.stored()
        except soundpost.Error:
            return False  # the store is being created
        return recorder.confirmed() <= stored == delivered()

    with suppress(TimeoutError):
        poll(complete, "every call to be delivered", DELIVERY_SECONDS)
    stored, held = recorder.stored(), delivered()
    assert held == stored, f"missing: {stored - held}, too many: {held - stored}\n{recorder.log()}"
    assert recorder.confirmed() <= stored <= recorder.attempted()

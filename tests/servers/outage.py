"""An outage: the server is down while the service records, is killed, and is started again; then it comes back."""

from collections.abc import Callable
from contextlib import suppress

from demo.service import poll
from server import Server
from service import Recorder

import soundpost

DELIVERY_SECONDS = 90.0


def outage(server: Server, recorder: Recorder, delivered: Callable[[], set[str]]) -> None:
    """Returns when the server has what was recorded before, during and after; and fails if it has anything else.

    `delivered` tells the request ids of the calls that the server has.
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
    """Waits until the server has what the store has, and the store what the recorder says that it recorded."""

    def complete() -> bool:
        try:
            stored = recorder.stored()
        except soundpost.Error:
            return False  # it is being made
        return recorder.ended() <= stored == delivered()

    with suppress(TimeoutError):
        poll(complete, "every call to be delivered", DELIVERY_SECONDS)
    stored, held = recorder.stored(), delivered()
    assert held == stored, f"missing: {stored - held}, too many: {held - stored}\n{recorder.log()}"
    assert recorder.ended() <= stored <= recorder.begun()

"""The integration of Gradio: queue time, session and cancelled events."""

from __future__ import annotations

import pytest

PROGRAM = """
    import asyncio, gc, threading, types
    from cosyvoice.cli.cosyvoice import CosyVoice
    from gradio.queueing import Queue
    import soundpost

    gc.disable()
    kept, reached, hold = [], threading.Event(), threading.Event()

    def speak():
        for part in (engine := CosyVoice().inference_sft("one.two.three.", "anna", stream=True)):
            kept.append(engine)
            yield part
            reached.set()
            hold.wait(30)

    async def push(queue, session, **headers):
        request = types.SimpleNamespace(headers={name.replace("_", "-"): text for name, text in headers.items()})
        return await queue.push({"session_hash": session, "fn": speak}, request, None)

    def outcomes():
        soundpost.flush(30)
        return [call.outcome for call in soundpost.read_calls(service="program", order="oldest")]

    async def main():
        queue = Queue()
"""


def run(service, body):
    return service(PROGRAM + body + "\n    asyncio.run(main())\n")


def test_events_have_id_session_and_queue_time(service):
    calls, _ = run(
        service,
        """
        hold.set()
        events = [await push(queue, "first", x_request_id="mine"), await push(queue, "second")]
        await queue.start_processing()
        assert [len(event.items) for event in events] == [3, 3]
        """,
    )
    assert [(call.outcome, call.chunks) for call in calls] == [("ok", 3)] * 2
    assert [call.fields["session_hash"] for call in calls] == ["first", "second"]
    assert calls[0].request_id == "mine"
    assert len(calls[1].request_id) == 32
    assert calls[1].queue_ms >= calls[0].duration_ms > 0
    assert calls[0].queue_ms is not None


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        ("queue.tasks[event._id].cancel()", "cancelled"),
        ("await queue.clean_events(session_hash='first')", "abandoned"),
        ("await queue.clean_events(event_id=event._id)", "abandoned"),
    ],
)
def test_stopped_event_ends_its_call_while_a_step_runs(service, stop, outcome):
    calls, _ = run(
        service,
        f"""
        event = await push(queue, "first")
        running = asyncio.create_task(queue.start_processing())
        await asyncio.to_thread(reached.wait, 30)
        {stop}
        for _ in range(3):
            await asyncio.sleep(0)
        assert outcomes() == ["{outcome}"], outcomes()
        hold.set()
        await running
        """,
    )
    assert [(call.outcome, call.chunks) for call in calls] == [(outcome, 1)]


def test_other_client_that_leaves_ends_no_call(service):
    calls, _ = run(
        service,
        """
        await push(queue, "first")
        await push(queue, "second")
        running = asyncio.create_task(queue.start_processing())
        await asyncio.to_thread(reached.wait, 30)
        await queue.clean_events(session_hash="second")
        hold.set()
        await running
        """,
    )
    assert [(call.outcome, call.fields["session_hash"]) for call in calls] == [("ok", "first")]


def test_event_without_a_request_is_processed(service):
    calls, ran = run(
        service,
        """
        hold.set()
        event = await queue.push({"session_hash": "first", "fn": speak}, None, None)
        await queue.start_processing()
        print(len(event.items))
        """,
    )
    assert (ran.stdout, [call.outcome for call in calls]) == ("3\n", ["ok"])

"""Events wait for one worker. Each step of a sync generator runs in a thread."""

import asyncio

DONE = object()


class Event:
    def __init__(self, session_hash, fn, request, username):
        self._id = str(id(self))
        self.session_hash, self.fn, self.request, self.username = session_hash, fn, request, username
        self.alive = True
        self.items = []


class App:
    def __init__(self):
        self.iterators = {}


class Queue:
    """A queue whose `tasks` are those of running events."""

    def __init__(self):
        self.waiting, self.active_jobs, self.tasks, self.server_app = [], [None], {}, App()

    async def push(self, body, request, username):
        event = Event(body["session_hash"], body["fn"], request, username)
        self.waiting.append(event)
        return event

    async def start_processing(self):
        while self.waiting:
            events = [self.waiting.pop(0)]
            self.active_jobs[0] = events
            task = asyncio.create_task(self.process_events(events, False, 0.0, events[0].fn))
            self.tasks[events[0]._id] = task
            await asyncio.wait([task])

    async def process_events(self, events, batch, begin_time, fn=None):
        try:
            iterators = self.server_app.iterators
            iterators[events[0]._id] = iterator = fn()
            while all(event.alive for event in events):
                item = await asyncio.to_thread(next, iterator, DONE)
                if item is DONE:
                    return
                events[0].items.append(item)
        finally:
            self.active_jobs[0] = None
            for event in events:
                await self.reset_iterators(event._id)

    async def clean_events(self, *, session_hash=None, event_id=None):
        for event in self.active_jobs[0] or ():
            if event.session_hash == session_hash or event._id == event_id:
                event.alive = False
        self.waiting = [event for event in self.waiting if event.session_hash != session_hash]

    async def reset_iterators(self, event_id):
        """Drops the iterator, without closing it."""
        self.server_app.iterators.pop(event_id, None)

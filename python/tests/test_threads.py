"""Threads and tasks of pools that are started inside a call, in processes with an integration."""

from __future__ import annotations

SETUP = """
import asyncio, contextvars, gc, threading, weakref
from concurrent.futures import ThreadPoolExecutor
import ChatTTS, soundpost

@soundpost.stage("work")
def work(*parts):
    return soundpost.current_call() is not None

"""


def counts(calls):
    return [{name: stage.count for name, stage in call.stages.items()} for call in calls]


def test_threads_tasks_and_coroutines_belong_to_their_call(service):
    calls, _ = service(
        SETUP
        + """
class Worker(threading.Thread):
    def run(self):
        work()

@soundpost.instrument("threads")
def threads():
    for thread in (Worker(), threading.Thread(target=work), threading.Timer(0, work)):
        thread.start()
        thread.join()

@soundpost.instrument("coroutine")
async def coroutine():
    assert await asyncio.to_thread(work)
    assert await asyncio.get_running_loop().run_in_executor(None, work)

@soundpost.instrument("pool")
def use_pool(pool):
    assert list(pool.map(work, range(3))) == [True] * 3

threads()
asyncio.run(coroutine())
with ThreadPoolExecutor(2) as pool:
    use_pool(pool)
"""
    )
    assert counts(calls) == [{"work": 3}, {"work": 2}, {"work": 3}]


def test_thread_of_a_pool_belongs_to_the_call_of_its_task(service):
    calls, _ = service(
        SETUP
        + """
pool = ThreadPoolExecutor(1)

@soundpost.instrument("use")
def use(number):
    assert pool.submit(work).result()

use(1)
assert not pool.submit(work).result()
use(2)
pool.shutdown()
"""
    )
    assert counts(calls) == [{"work": 1}, {"work": 1}]


def test_thread_of_a_pool_keeps_its_context_variables(service):
    service(
        SETUP
        + """
name = contextvars.ContextVar("name")

def task():
    found = name.get()
    name.set(found + 1)
    return found

@soundpost.instrument("use")
def use(pool):
    return [pool.submit(task).result() for _ in range(3)]

with ThreadPoolExecutor(1, initializer=name.set, initargs=(1,)) as pool:
    assert use(pool) == [1, 2, 3]
    assert pool.submit(task).result() == 4
"""
    )


def test_threads_that_outlive_their_call_keep_nothing_alive(service):
    calls, ran = service(
        SETUP
        + """
class Text(str):
    pass

class Held(Exception):
    pass

end, pool = threading.Event(), ThreadPoolExecutor(1)

@soundpost.instrument("use", fields={"length": lambda arguments: len(arguments["text"])}, audio=lambda item: 1.0)
def use(text):
    thread = threading.Thread(target=end.wait)
    thread.start()
    pool.submit(work).result()
    yield text
    raise Held

def references():
    text = Text("abc")
    parts = use(text)
    try:
        list(parts)
    except Held as error:
        return [weakref.ref(text), weakref.ref(parts), weakref.ref(error)]

made = references()
gc.collect()
print([each() for each in made])
end.set()
pool.shutdown()
"""
    )
    assert ran.stdout == "[None, None, None]\n"
    assert [call.error_type for call in calls] == ["Held"]


def test_threads_outside_of_calls_are_left_alone(service):
    service(
        SETUP
        + """
seen = []
thread = threading.Thread(target=lambda: seen.append(vars(thread).get("run")))
thread.start()
assert "run" not in vars(thread)
thread.join()
assert seen == [None]
try:
    thread.start()
except RuntimeError:
    pass

@soundpost.instrument("use")
def use():
    try:
        thread.start()
    except RuntimeError as error:
        assert "once" in str(error), error
    assert "run" not in vars(thread)

use()
"""
    )

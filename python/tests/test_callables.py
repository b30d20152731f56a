"""Functions of every kind behind partials, methods, callable objects and built-in functions."""

from __future__ import annotations

import asyncio
import functools
import operator
import types

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def plain(value=3):
    return value


def generator(value=3):
    yield value
    yield value


async def coroutine(value=3):
    await asyncio.sleep(0)
    return value


async def async_generator(value=3):
    yield value
    yield value


def as_partial(function):
    return functools.partial(functools.partial(function), value=4)


def as_object(function):
    return type("Model", (), {"__call__": lambda self, value=4: function(value)})()


def as_kind_of_object(function):
    def kept(self, value=4):
        return value

    # The object's `__call__` has the kind of the function.
    code = {
        generator: "yield value\n  yield value",
        coroutine: "return value",
        async_generator: "yield value\n  yield value",
    }
    if function is not plain:
        prefix = "def" if function is generator else "async def"
        names: dict[str, object] = {}
        exec(f"{prefix} kept(self, value=4):\n  {code[function]}", names)
        kept = names["kept"]
    return type("Model", (), {"__call__": kept})()


def as_method(function):
    class Model:
        def __init__(self):
            self.default = 4

    Model.run = lambda self, value=4: function(value)
    return Model().run


def as_cached(function):
    return functools.lru_cache(functools.partial(function, 4))


def as_bare_function(function):
    """Returns a function whose globals have no built-in names."""
    return types.FunctionType(function.__code__, {"asyncio": asyncio}, "bare", (4,))


def outcome(function):
    """Returns what a function, generator, coroutine or asynchronous generator gives in the end."""

    async def items(result):
        return [item async for item in result]

    result = function()
    if hasattr(result, "__aiter__"):
        return asyncio.run(items(result))[-1]
    if hasattr(result, "__next__"):
        return list(result)[-1]
    return asyncio.run(result) if hasattr(result, "send") else result


WRAPPED = [as_partial, as_object, as_kind_of_object, as_method, as_cached, as_bare_function]


@pytest.mark.parametrize("function", [plain, generator, coroutine, async_generator])
@pytest.mark.parametrize("wrap", WRAPPED)
def test_wrapped_function_is_recorded(name, scrape, function, wrap):
    assert outcome(soundpost.instrument(name)(wrap(function))) == 4
    assert outcome(soundpost.stage(name)(wrap(function))) == 4
    assert scrape().outcomes(name) == {"ok": 1}
    assert scrape().stages("unknown")[name] == 1


@pytest.mark.parametrize(
    "function", [len, operator.itemgetter(0), "x".join, int.from_bytes, functools.singledispatch(list)]
)
def test_builtin_function_is_recorded(name, scrape, function):
    expected = function(b"a") if function != "x".join else "a"
    argument = b"a" if function != "x".join else "a"
    assert soundpost.instrument(name)(function)(argument) == expected
    assert soundpost.stage(name)(function)(argument) == expected
    assert scrape().outcomes(name) == {"ok": 1}


def test_kind_of_a_callable_object_is_kept(name):
    import inspect

    assert inspect.iscoroutinefunction(soundpost.instrument(name)(as_kind_of_object(coroutine)))
    assert inspect.isgeneratorfunction(soundpost.instrument(name)(as_kind_of_object(generator)))


@pytest.mark.parametrize("wrap", [as_object, as_partial, as_bare_function])
def test_fault_in_a_returned_generator_is_logged_once(name, lenient, caplog, wrap):
    def items(value=4):
        yield object()
        yield object()

    infer = soundpost.instrument(name, audio=soundpost.audio(1000))(wrap(items))
    assert len(list(infer())) == 2
    assert len([r for r in caplog.records if r.name == "soundpost" and name in r.getMessage()]) == 1


def test_metric_decorator_takes_every_callable(name, scrape):
    histogram = soundpost.Histogram(name, "d")

    class Model:
        @histogram.time()
        @classmethod
        def load(cls):
            return cls

        @histogram.time()
        @staticmethod
        def check():
            return 3

    assert Model.load() is Model
    assert Model.check() == 3
    assert histogram.time()(len)("ab") == 2
    assert list(histogram.time()(functools.partial(generator))()) == [3, 3]
    assert scrape().get(name + "_count") == 4

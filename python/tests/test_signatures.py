"""`instrument` keeps a function's kind, name, signature and parameters."""

from __future__ import annotations

import functools
import inspect
import pickle
import typing

import pytest
from function_kinds import awaits, generates, generates_async, plain

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")

KINDS = [plain, generates, awaits, generates_async]


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize(
    "decorate", [soundpost.instrument, soundpost.instrument("name"), soundpost.stage("part")]
)
def test_wrapper_keeps_kind_name_signature_and_docstring(function, decorate):
    wrapped = decorate(function)
    assert inspect.isfunction(wrapped)
    for is_kind in (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction):
        assert is_kind(wrapped) == is_kind(function)
    for attribute in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__defaults__",
        "__kwdefaults__",
    ):
        assert getattr(wrapped, attribute) == getattr(function, attribute)
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert (
        inspect.signature(wrapped, follow_wrapped=False).parameters.keys()
        == inspect.signature(function).parameters.keys()
    )
    assert typing.get_type_hints(wrapped) == typing.get_type_hints(function)
    assert wrapped.__wrapped__ is function
    assert wrapped.__globals__ is function.__globals__
    assert wrapped.__code__.co_flags & 0x2A0 == function.__code__.co_flags & 0x2A0


def positional_only(a, b=2, /, c=3):
    return (a, b, c)


def rest(a, *more, key=1, **named):
    return (a, more, key, named)


def keywords_only(*, a, b=2):
    return (a, b)


def nothing():
    return ()


def awkward(args, kwargs, self, function=1, live=2, steps=3, error=4, given=5):
    return (args, kwargs, self, function, live, steps, error, given)


@pytest.mark.parametrize(
    ("function", "arguments", "keywords"),
    [
        (positional_only, (1,), {}),
        (positional_only, (1, 5), {"c": 6}),
        (rest, (1,), {}),
        (rest, (1, 2, 3), {"key": 4, "z": 5}),
        (keywords_only, (), {"a": 1}),
        (nothing, (), {}),
        (awkward, (1, 2, 3), {"live": 4}),
        (lambda x, y=2: (x, y), (1,), {}),
        (functools.partial(rest, 1, key=9), (2,), {"q": 1}),
        (len, ("abc",), {}),
        ("{}-{x}".format, (1,), {"x": 2}),
    ],
)
def test_every_parameter_list_is_kept(function, arguments, keywords):
    wrapped = soundpost.instrument("lists")(function)
    assert wrapped(*arguments, **keywords) == function(*arguments, **keywords)


@pytest.mark.parametrize(
    ("arguments", "keywords"), [((), {}), ((1, 2, 3, 4), {}), ((1,), {"z": 1}), ((1,), {"a": 2})]
)
def test_wrong_arguments_raise_the_functions_error(arguments, keywords):
    def one(a, b=2, c=3):
        return a

    wrapped = soundpost.instrument(one)
    with pytest.raises(TypeError) as expected:
        one(*arguments, **keywords)
    with pytest.raises(TypeError) as raised:
        wrapped(*arguments, **keywords)
    assert str(raised.value) == str(expected.value)


def test_methods_of_every_kind_are_decorated():
    class Engine:
        rate = 3

        @soundpost.instrument
        def method(self, x):
            return (self.rate, x)

        @soundpost.instrument
        @classmethod
        def on_class(cls, x):
            return (cls.rate, x)

        @classmethod
        @soundpost.instrument
        def on_class_inside(cls, x):
            return (cls.rate, x)

        @soundpost.instrument
        @staticmethod
        def static(x):
            return x

        @soundpost.stage("s")
        @staticmethod
        def staged(x):
            return x

    class Other(Engine):
        rate = 4

    assert Engine().method(1) == (3, 1)
    assert Other.on_class(2) == Other().on_class(2) == Other.on_class_inside(2) == (4, 2)
    assert Engine.static(5) == Engine().static(5) == Engine.staged(5) == 5


@soundpost.instrument
def picklable(x):
    return x


def test_decorated_function_can_be_pickled():
    assert pickle.loads(pickle.dumps(picklable)) is picklable


def test_outer_decorator_keeps_the_parameters(name, scrape):
    def opaque(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @soundpost.instrument(
        name, labels={"emotion": "emotion"}, fields={"char_count": lambda a: len(a["text"])}
    )
    @opaque
    def infer(text, emotion="neutral"):
        return text

    infer("abc")
    infer("abcd", "sad")
    infer(emotion="sad", text="abcde")
    after = scrape()
    assert after.outcomes(name, emotion="neutral") == {"ok": 1}
    assert after.outcomes(name, emotion="sad") == {"ok": 2}
    assert after.total("characters_total", name) == 12


@pytest.mark.parametrize("called", ["class", "None", "__debug__", "match", "a b", "λ", ""])
def test_function_of_any_name_is_wrapped(called):
    def infer(a):
        return a

    infer.__name__ = called
    for decorate in (soundpost.instrument, soundpost.stage("stage")):
        wrapper = decorate(infer)
        assert wrapper.__name__ == called
        assert wrapper(3) == 3

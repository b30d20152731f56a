"""Strategies for objects that a caller may pass by mistake."""

from __future__ import annotations

import decimal
import enum
import fractions
import types

import numpy as np
from hypothesis import strategies as st

_SPECIAL = [
    "str",
    "repr",
    "float",
    "int",
    "index",
    "complex",
    "bool",
    "hash",
    "eq",
    "lt",
    "len",
    "iter",
    "next",
]
_SPECIAL += ["contains", "getitem", "call", "getattr", "format", "fspath", "array", "enter", "exit"]


def _raising(error):
    def raises(*_, **__):
        raise error

    return raises


def hostile(name, error=None):
    """Returns an object whose special method of this name raises."""
    method = _raising(error or ZeroDivisionError("mine"))
    return type("Hostile", (), {f"__{name}__": method})()


def hostile_text(name):
    """Returns a text whose special method of this name raises."""
    return type("HostileText", (str,), {f"__{name}__": _raising(ZeroDivisionError("mine"))})("text")


class Colour(enum.Enum):
    RED = 1


TEXTS = [
    "",
    "3.5",
    "now",
    "a\0b",
    "\ud800",
    "x\udfffy",
    "é漢字🎵",
    "\n",
    "long" * 1000,
    "漢" * 1000,
    "le",
    "operation",
]
OBJECTS = [
    *(hostile(name) for name in _SPECIAL),
    *(hostile_text(name) for name in ("str", "hash", "eq", "len", "getitem", "repr")),
    object(),
    object,
    Colour.RED,
    decimal.Decimal("1.5"),
    decimal.Decimal("sNaN"),
    fractions.Fraction(1, 3),
    10**400,
    1j,
    b"3.5",
    bytearray(3),
    memoryview(b"x"),
    range(3),
    lambda: 3,
    len,
    types.SimpleNamespace(shape=(), is_cuda=True),
    types.SimpleNamespace(shape=None),
    types.MappingProxyType({"a": 1}),
    np.bool_(True),
    np.float32(1.5),
    np.int64(3),
    np.str_("text"),
    np.datetime64("2026-01-01"),
    np.array(2.5),
    np.zeros(3),
    np.array([], dtype=object),
    ValueError("mine"),
    hostile("str", RecursionError()),
]
KEYS = st.sampled_from([*TEXTS, 3, None, Colour.RED])
# Hypothesis would compare and hash the objects themselves.
_ANY_OBJECT = st.integers(0, len(OBJECTS) - 1).map(OBJECTS.__getitem__)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(TEXTS), _ANY_OBJECT
)
ANYTHING = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.lists(SCALARS, max_size=3).map(tuple),
    st.dictionaries(KEYS, SCALARS, max_size=3),
    st.builds(iter, st.lists(SCALARS, max_size=2)),
)

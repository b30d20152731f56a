"""Outcomes of calls that end with an exception."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no"), "error"),
        (MemoryError(), "oom"),
        (type("OutOfMemoryError", (RuntimeError,), {})(), "oom"),
        (type("Sub", (type("OutOfMemoryError", (RuntimeError,), {}),), {})(), "oom"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "oom"),
        (RuntimeError("CUDA error: device-side assert triggered"), "poisoned"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "poisoned"),
        (TimeoutError(), "timeout"),
        (asyncio.TimeoutError(), "timeout"),
        (concurrent.futures.TimeoutError(), "timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(1), "cancelled"),
    ],
)
@pytest.mark.parametrize("kind", ["function", "generator", "coroutine", "block"])
def test_exception_has_its_outcome(name, scrape, error, outcome, kind):
    @soundpost.instrument(name)
    def function():
        raise error

    @soundpost.instrument(name)
    def generator():
        yield 1
        raise error

    @soundpost.instrument(name)
    async def coroutine():
        raise error

    def block():
        with soundpost.call(name):
            raise error

    def awaited():
        driven = coroutine()
        driven.send(None)

    with pytest.raises(type(error)):
        {"function": function, "generator": lambda: list(generator()), "coroutine": awaited, "block": block}[
            kind
        ]()
    assert scrape().outcomes(name) == {outcome: 1}


def chained(raises, *, suppress=False, cause=True):
    try:
        try:
            raise raises
        except BaseException as first:
            if suppress:
                raise ValueError("outer") from None
            if cause:
                raise ValueError("outer") from first
            raise ValueError("outer")
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (chained(RuntimeError("CUDA out of memory")), "oom"),
        (chained(RuntimeError("CUDA out of memory"), cause=False), "oom"),
        (chained(RuntimeError("CUDA out of memory"), suppress=True), "error"),
        (chained(asyncio.CancelledError(), cause=False), "error"),
    ],
)
def test_exception_chain_has_its_outcome(name, scrape, error, outcome):
    @soundpost.instrument(name)
    def infer():
        raise error

    with pytest.raises(ValueError, match="outer"):
        infer()
    assert scrape().outcomes(name) == {outcome: 1}


def test_exception_without_text_is_error(name, scrape):
    class Awkward(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    @soundpost.instrument(name)
    def infer():
        error = Awkward()
        error.__cause__ = error
        raise error

    with pytest.raises(Awkward):
        infer()
    assert scrape().outcomes(name) == {"error": 1}

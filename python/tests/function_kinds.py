"""A function of each kind."""

from __future__ import annotations

import asyncio


def plain(a: int, b: str = "b", *, c: float = 1.0) -> tuple:
    """Doc of plain."""
    return (a, b, c)


def generates(n: int = 2):
    """Doc of generates."""
    yield from range(n)
    return "end"


async def awaits(n: int = 2) -> int:
    """Doc of awaits."""
    await asyncio.sleep(0)
    return n


async def generates_async(n: int = 2):
    """Doc of generates_async."""
    for i in range(n):
        await asyncio.sleep(0)
        yield i

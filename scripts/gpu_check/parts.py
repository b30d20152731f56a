"""The parts of the check, each of which returns rows."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import IO

import smi
from figures import Row, Scrape, compare

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
GIB = float(1 << 30)
SLACK = 64 * smi.MIB
"""Tolerance: the driver and PyTorch allocate in blocks of some MiB."""


class FailedError(Exception):
    """A part could not run."""


def _run(*command: str | os.PathLike[str]) -> str:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if ran.returncode != 0:
        raise FailedError(f"{pathlib.Path(command[1]).name}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def wheel() -> list[Row]:
    """Compares each figure of the wheel with nvidia-smi."""
    before = smi.cards()
    return compare(_run(sys.executable, HERE / "service.py", "3"), before, smi.cards())


def rust() -> list[Row]:
    """Compares each figure of a Rust binary with nvidia-smi."""
    cargo = os.environ.get("CARGO", "cargo")
    built = [cargo, "build", "--quiet", "--package", "soundpost", "--example", "gpu_check"]
    _run(*built)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = target / "debug" / "examples" / "gpu_check"
    before = smi.cards()
    return compare(_run(binary, "3"), before, smi.cards())


def calls() -> list[Row]:
    """Checks calls that allocate 1, 2 and 4 GiB and keep or free them."""
    rows = []
    for kept, argument in ((True, "--keep"), (False, "--give-back")):
        made = json.loads(_run(sys.executable, HERE / "calls.py", argument).splitlines()[-1])
        for call in made["calls"]:
            rows += _call(call, "kept" if kept else "given back", call["bytes"] if kept else 0)
        if kept:
            rows.append(_gauge(made))
            rows.append(_within("reading PyTorch's allocator, us", made["read_us"], 50))
    return rows


def _call(call: dict, how: str, delta: int) -> list[Row]:
    what, used = f"call that takes {call['bytes'] / GIB:.0f} GiB, {how}", call["gpu"]
    if used is None:
        return [Row(what, "no figures", "", "call.gpu is None", good=False)]
    peak = used["memory_peak"] - used["memory_before"]
    return [
        _near(f"{what}: peak above before", peak, call["bytes"]),
        _near(f"{what}: delta", used["memory_delta"], delta),
    ]


def _near(what: str, ours: float, theirs: float) -> Row:
    good = abs(ours - theirs) <= SLACK
    verdict = "agrees" if good else "differs"
    shown = [f"{round(figure / GIB, 3) + 0.0:.3f} GiB" for figure in (ours, theirs)]  # no "-0.000"
    return Row(what, *shown, verdict, good=good)


def _within(what: str, ours: float, most: float) -> Row:
    good = ours <= most
    return Row(what, f"{ours:.3g}", f"at most {most:g}", "agrees" if good else "more", good=good)


def _gauge(made: dict) -> Row:
    allocated = Scrape(made["scrape"]).get("torch_memory_allocated_bytes")
    what, theirs = "gauge of PyTorch's allocated memory", sum(call["bytes"] for call in made["calls"])
    return (
        Row(what, "absent", "", "absent", good=False) if allocated is None else _near(what, allocated, theirs)
    )


def neighbours() -> list[Row]:
    """Checks that two services on one GPU report each other's memory."""
    sizes = {"one": 1024, "other": 2048}
    started = {
        name: subprocess.Popen(
            [sys.executable, HERE / "neighbour.py", name, str(mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, mib in sizes.items()
    }
    try:
        for name, process in started.items():
            if _out(process).readline().strip() != "ready":
                raise FailedError(f"neighbour.py: the service {name!r} did not start")
        texts = {name: process.communicate("\n", timeout=60)[0] for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
    rows = []
    for (name, text), mib in zip(texts.items(), reversed(sizes.values()), strict=True):
        seen = Scrape(text, name + "_").get("gpu_process_memory_bytes", pid="other")
        what, least = f"the neighbour's memory, seen by the service {name!r}", mib * smi.MIB
        if seen is None:
            # NVML reports no usable pids inside a container with its own pid namespace.
            rows.append(
                Row(what, "absent", f"{mib} MiB or more", "absent: is this a container?", good=_contained())
            )
        else:
            rows.append(
                Row(what, f"{seen / smi.MIB:.0f} MiB", f"{mib} MiB or more", "agrees", good=seen >= least)
            )
    return rows


def _out(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise FailedError("a service has no output")
    return process.stdout


def _contained() -> bool:
    """Whether pids here are not the host's."""
    return os.readlink("/proc/self/ns/pid") != "pid:[4026531836]"


def cost(seconds: float = 20.0) -> list[Row]:
    """CPU of sampling once a second."""
    spent = {
        which: float(_run(sys.executable, HERE / "cost.py", str(seconds), which)) for which in ("gpu", "none")
    }
    with_gpu, without = (100 * spent[which] / seconds for which in ("gpu", "none"))
    return [
        _within("CPU of a service that samples host and GPUs, % of a core", with_gpu, 1.0),
        Row("the same without GPUs", f"{without:.3g}", "", ""),
        _within("CPU of sampling the GPUs, ms a sample", 10 * (with_gpu - without), 10),
    ]


PARTS = {"wheel": wheel, "rust": rust, "calls": calls, "neighbours": neighbours, "cost": cost}
NEEDS_TORCH = {"calls", "neighbours"}

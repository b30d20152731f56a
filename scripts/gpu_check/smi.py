"""Figures of nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

MIB = 1024.0 * 1024.0


class Quantity(NamedTuple):
    """A figure of both: the metric with its labels, nvidia-smi's name and scale, and the tolerance."""

    metric: str
    query: str
    scale: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()
    absolute: float = 0.0
    """In the metric's unit."""
    relative: float = 0.0


QUANTITIES = (
    Quantity("gpu_memory_total_bytes", "memory.total", MIB, absolute=MIB),
    Quantity("gpu_memory_used_bytes", "memory.used", MIB, absolute=64 * MIB, relative=0.02),
    Quantity("gpu_utilization_ratio", "utilization.gpu", 0.01, absolute=0.25),
    Quantity("gpu_memory_utilization_ratio", "utilization.memory", 0.01, absolute=0.25),
    Quantity("gpu_temperature_celsius", "temperature.gpu", absolute=4),
    Quantity("gpu_power_watts", "power.draw", absolute=25, relative=0.2),
    Quantity("gpu_power_limit_watts", "enforced.power.limit", absolute=1),
    Quantity("gpu_clock_hertz", "clocks.gr", 1e6, (("clock", "graphics"),), 3e8),
    Quantity("gpu_clock_hertz", "clocks.sm", 1e6, (("clock", "sm"),), 3e8),
    Quantity("gpu_clock_hertz", "clocks.mem", 1e6, (("clock", "memory"),), 3e8),
    Quantity("gpu_clock_hertz", "clocks.video", 1e6, (("clock", "video"),), 3e8),
    Quantity("gpu_fan_ratio", "fan.speed", 0.01, absolute=0.05),
)
_IDENTITY = ("index", "uuid", "name", "driver_version", "mig.mode.current")


class Card(NamedTuple):
    """A GPU."""

    index: str
    uuid: str
    name: str
    driver: str
    mig: str
    figures: tuple[float | None, ...]
    """In the metrics' units, in the order of `QUANTITIES`; None where unsupported."""


def reason_without_gpu() -> str | None:
    """Returns the reason why nothing can be checked, if there is one."""
    if shutil.which("nvidia-smi") is None:
        return "there is no nvidia-smi, so no NVIDIA driver"
    listed = subprocess.run(["nvidia-smi", "-L"], check=False, capture_output=True, text=True)
    if listed.returncode != 0:
        return f"nvidia-smi failed: {(listed.stdout + listed.stderr).strip()}"
    return None if "GPU 0" in listed.stdout else "nvidia-smi lists no GPU"


def cards() -> list[Card]:
    """Returns the current figures of all GPUs."""
    query = ",".join([*_IDENTITY, *(quantity.query for quantity in QUANTITIES)])
    output = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        _card([field.strip() for field in line.split(",")]) for line in output.stdout.splitlines() if line
    ]


def _card(fields: list[str]) -> Card:
    figures = [
        _figure(text, quantity.scale)
        for text, quantity in zip(fields[len(_IDENTITY) :], QUANTITIES, strict=True)
    ]
    return Card(*fields[: len(_IDENTITY)], figures=tuple(figures))


def _figure(text: str, scale: float) -> float | None:
    try:
        return float(text) * scale
    except ValueError:
        return None  # "[N/A]", "[Not Supported]", "[Unknown Error]"

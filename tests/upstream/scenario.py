"""Runs the situations of one service on its real files with fake models: `scenario.py NAME PATH...`."""

import importlib.util
import sys
import threading
from pathlib import Path

import fakes

TEXT, PARTS = "abcdefghij", "abcdefghij.abcdefghij"


def attempt(use, text):
    try:
        use(text)
    except (RuntimeError, StopIteration, ValueError):
        pass


def in_flight():
    from soundpost._init import telemetry

    lines = telemetry().render().splitlines()
    return sum(float(line.split()[1]) for line in lines if "requests_in_flight{" in line)


def main(name, *paths):
    sys.path[:0] = paths
    path = Path(__file__).with_name("drivers") / f"{name}.py"
    fakes.install(*faked(path))
    spec = importlib.util.spec_from_file_location(f"driver_{name}", path)
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    engine = driver.Engine()
    whole, stream = engine.whole, getattr(engine, "stream", None)
    whole(TEXT)
    if stream is not None:
        for _ in stream(TEXT):
            pass
        parts = stream(PARTS)
        next(parts)
        parts.close()
        del parts
    attempt(whole, "ab!cdef")
    hanging = threading.Thread(target=whole, args=("abcd?efghi",))
    hanging.start()
    assert fakes.WAITING.acquire(timeout=30)
    assert in_flight() == 1, in_flight()
    fakes.HANG.set()
    hanging.join()
    uses = [whole if number % 2 or stream is None else lambda text: list(stream(text)) for number in range(8)]
    threads = [
        threading.Thread(target=use, args=("abcdefgh"[: number + 1] * 2,)) for number, use in enumerate(uses)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert in_flight() == 0, in_flight()


def faked(path):
    """Returns the modules of the service itself that the driver replaces, before it imports any."""
    text = path.read_text(encoding="utf-8")
    if "FAKED = (" not in text:
        return ()
    return tuple(
        line.strip(' ",') for line in text.split("FAKED = (")[1].split(")")[0].splitlines() if line.strip()
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

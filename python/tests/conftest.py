"""Fixtures: one `init` per test process, in its own directory; each test has metrics of its own name."""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import hypothesis
import pytest
from scrape import Scrape
from stored_events import events

os.environ["SOUNDPOST_STRICT"] = "1"

import soundpost
from soundpost import _native, integrations

# No deadline for slow machines, and the same examples on every machine.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("tests")

HERE = pathlib.Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Makes a warning fail a test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)


_numbers = itertools.count()


@pytest.fixture(scope="session")
def telemetry(tmp_path_factory):
    return soundpost.init(
        service="tests",
        listen="127.0.0.1:0",
        gpu=False,
        sample_interval=0.1,
        directory=tmp_path_factory.mktemp("state"),
    )


@pytest.fixture(scope="session", autouse=True)
def shared_memory(tmp_path_factory):
    """Removes shared memory of killed services, and fails if a process that a test started still uses its own."""
    yield
    base, held = str(tmp_path_factory.getbasetemp()), []
    for of in pathlib.Path(f"/dev/shm/soundpost-{os.geteuid()}").glob("*/of"):
        directory = of.read_text()
        # This process ends its own service at its exit.
        if directory.startswith(base) and not pathlib.Path(directory).match("state*/tests"):
            held += [path for path in of.parent.glob("*.segment") if is_held(path)]
            shutil.rmtree(of.parent)
    assert held == []


def is_held(segment):
    """Returns whether a process uses a segment."""
    with segment.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def scrape(telemetry):
    """Returns a function that scrapes this process."""
    return lambda: Scrape(telemetry.render())


@pytest.fixture
def name(request):
    """Returns a unique name for an operation or a metric."""
    test = "".join(c if c.isalnum() else "_" for c in request.node.name)
    return f"{test}_{next(_numbers)}"


@pytest.fixture
def logger(name):
    """Returns a logger with a `LogHandler` and no parent."""
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.setLevel(1)
    logger.addHandler(soundpost.LogHandler())
    yield logger
    logger.handlers.clear()


@pytest.fixture
def recorded(telemetry, logger):
    """Returns a function for the stored events of the test's logger."""
    return lambda: events(telemetry.directory, logger.name)


@pytest.fixture
def engine(name):
    """Returns an instrumented generator function of chunks."""

    @soundpost.instrument(name)
    def synthesize(count=2):
        for _ in range(count):
            yield b"chunk"

    return synthesize


@pytest.fixture
def lenient():
    """Counts and logs faults, as in production."""
    _native.set_strict(False)
    yield
    _native.set_strict(True)


@pytest.fixture
def python(tmp_path):
    """Returns a function that runs a program in a new interpreter with its own state directory."""

    def run(source, *arguments, check=True, timeout=60, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")}
        environment |= {
            "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
            "SOUNDPOST_GPU": "0",
            "SOUNDPOST_LISTEN": "none",
            "SOUNDPOST_SERVICE": "program",
        }
        environment["PYTHONPATH"] = os.pathsep.join(
            [os.path.dirname(__file__), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment |= variables
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(source))
        ran = subprocess.run(
            [sys.executable, "-W", "error", str(program), *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            cwd=tmp_path,
        )
        if check and ran.returncode != 0:
            pytest.fail(f"exit status {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        return ran

    return run


@pytest.fixture
def service(python, tmp_path):
    """Returns a function that runs a program with the bootstrap, and returns its calls and the finished process."""

    def run(source, *, instrument="auto", service="program", **options):
        path = [
            integrations.BOOTSTRAP,
            HERE / "look_alikes",
            HERE,
            *filter(None, [os.environ.get("PYTHONPATH")]),
        ]
        variables = {"PYTHONPATH": os.pathsep.join(map(str, path)), "SOUNDPOST_INSTRUMENT": instrument}
        ran = python(source, **variables, **options)
        try:
            calls = soundpost.read_calls(service=service, directory=tmp_path / "state")
        except soundpost.Error:
            calls = []
        return sorted(calls, key=lambda call: call.time), ran

    return run


class NvmlSim:
    """The simulated driver library, and scripts for it."""

    def __init__(self, library, directory):
        self.library = str(library)
        self.directory = directory

    def device(self, number, *lines):
        """Returns the text of a device with memory only, whose UUID has its number."""
        uuid = f"GPU-b0000000-0000-4000-8000-{number:012}"
        memory = ("memory_total 24GiB", "memory_used 4GiB")
        return "\n".join([f"device {uuid}", "name Simulated GPU", *memory, *lines])

    def script(self, *devices):
        """Writes a script with these devices and returns its path."""
        path = self.directory / "nvml-sim.script"
        path.write_text("\n".join(["driver 550.54.14", "nvml 12.550.54.14", "cuda 12040", *devices, ""]))
        return str(path)


@pytest.fixture(scope="session")
def nvml_sim_library():
    """Builds the simulated driver library."""
    root = HERE.parents[1]
    subprocess.run(
        ["cargo", "build", "--quiet", "--package", "nvml-sim"], check=True, cwd=root, stdin=subprocess.DEVNULL
    )
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "debug" / "libnvml_sim.so"


@pytest.fixture
def nvml_sim(nvml_sim_library, tmp_path):
    """Returns a simulated driver: set `SOUNDPOST_NVML_PATH` to its `library` and `NVML_SIM_SCRIPT` to a `script`."""
    return NvmlSim(nvml_sim_library, tmp_path)

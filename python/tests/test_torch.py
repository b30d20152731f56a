"""PyTorch's allocator around calls: what is read, when, and what is left alone.

No GPU is needed: `fake_torch` has the functions that are read. More of what the readings become is tested in
Rust, in `crates/soundpost/tests/torch.rs`.
"""

from __future__ import annotations

import pytest

COMMON = """
    import asyncio, os, sys, threading, warnings
    warnings.simplefilter("ignore")
    import soundpost
    from fake_torch import Torch
    from scrape import Scrape

    GIB = 1 << 30

    @soundpost.instrument("plain")
    def plain(error=None):
        if error is not None:
            raise error

    @soundpost.instrument("stream")
    def stream():
        yield 1
        yield 2

    @soundpost.instrument("wait")
    async def wait():
        await asyncio.sleep(0)

    @soundpost.instrument("each")
    async def each():
        yield 1

    async def drain():
        async for _ in each():
            pass
"""


@pytest.fixture
def program(python):
    def run(source, **variables):
        return python(COMMON + source, SOUNDPOST_STRICT="1", **variables).stdout.strip()

    return run


def test_call_reads_the_allocator_at_start_and_end(program):
    assert (
        program(
            """
    telemetry = soundpost.init()
    torch = Torch().imported()
    torch.allocate(GIB)

    def reads(action):
        torch.reads.clear()
        action()
        return torch.reads

    def fails():
        try:
            plain(ValueError("no"))
        except ValueError:
            pass

    def block():
        with soundpost.call("block") as call:
            with call.stage("part"):
                plain()

    def tells():
        with soundpost.call("tells") as call:
            call.fail("no")

    def closes():
        generator = stream()
        next(generator)
        generator.close()

    here = threading.get_ident()
    for action in (plain, fails, block, tells, closes, lambda: list(stream()), lambda: next(stream()),
                   lambda: asyncio.run(wait()), lambda: asyncio.run(drain())):
        assert reads(action) == [(0, here)] * 2, (action, torch.reads)
    soundpost.shutdown()
    assert reads(plain) == []
    print("ok")
    """
        )
        == "ok"
    )


def test_unused_torch_is_not_touched(program):
    assert (
        program(
            """
    telemetry = soundpost.init()
    plain()
    assert not any(name.startswith("torch") for name in sys.modules)
    torch = Torch()
    # Torch is being imported.
    sys.modules["torch"] = type(sys)("torch")
    plain()
    torch.imported()
    for _ in range(3):
        plain()
    assert torch.reads == [] and not torch.initialized
    torch.allocate(GIB)
    plain()
    assert len(torch.reads) == 2
    # The state in a child of a process that uses CUDA.
    torch.initialized = False
    plain()
    assert len(torch.reads) == 2
    print("ok")
    """
        )
        == "ok"
    )


def test_torch_without_cuda_is_checked_once(program):
    assert (
        program(
            """
    soundpost.init()
    torch = Torch(built=False).imported()
    torch.modules["torch.cuda"].is_initialized = None
    plain()
    print(torch.reads)
    """
        )
        == "[]"
    )


def test_cuda_started_in_the_call_is_read_at_its_end(program):
    assert (
        program(
            """
    soundpost.init()
    torch = Torch().imported()

    @soundpost.instrument
    def first():
        torch.allocate(GIB)

    first()
    print(len(torch.reads))
    """
        )
        == "1"
    )


def test_disabled_torch_is_not_read(program):
    source = """
    soundpost.init()
    torch = Torch().imported()
    torch.allocate(GIB)
    plain()
    print(len(torch.reads))
    """
    assert program(source) == "2"
    assert program(source, SOUNDPOST_TORCH="0") == "0"
    assert program(source.replace("init()", "init(torch=False)")) == "0"


def test_torch_figures_are_stored_fields(program):
    assert (
        program(
            """
    import json, sqlite3
    telemetry = soundpost.init()
    torch = Torch().imported()
    torch.allocate(2 * GIB)
    torch.free(GIB)

    @soundpost.instrument(fields={"size": "size"})
    def keeps(size):
        torch.allocate(size)

    keeps(2 * GIB)
    assert soundpost.flush(10)
    store = sqlite3.connect(telemetry.directory / "store.sqlite")
    [(fields,)] = store.execute("SELECT fields FROM calls")
    for when, figures in [("before", (1, 2, 2)), ("after", (3, 3, 3))]:
        for what, expected in zip(("allocated", "reserved", "peak"), figures):
            assert json.loads(fields).pop(f"torch_memory_{what}_{when}") == expected * GIB, fields
    assert json.loads(fields)["size"] == 2 * GIB and len(json.loads(fields)) == 7
    print("ok")
    """
        )
        == "ok"
    )


def test_slow_allocator_is_skipped_and_reported_once(program):
    source = """
    import logging
    logged = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logging.getLogger("soundpost").addHandler(handler)
    logging.getLogger("soundpost").setLevel(logging.INFO)
    soundpost.init()
    torch = Torch(slow=200e-6).imported()
    torch.allocate(GIB)
    for _ in range(50):
        plain()
    soundpost.flush()
    print(len(torch.reads) < 20, sum("torch" in text for text in logged))
    """
    assert program(source) == "True 1"
    assert program(source, SOUNDPOST_TORCH="always") == "False 0"


def test_unreadable_allocator_is_one_fault(program):
    assert (
        program(
            """
    import signal
    telemetry = soundpost.init()
    torch = Torch().imported()
    torch.allocate(GIB)
    torch.raises = KeyboardInterrupt()
    for action in (plain, lambda: list(stream())):
        try:
            action()
        except KeyboardInterrupt:
            continue
        raise SystemExit("the interrupt is lost")
    torch.raises = None
    plain()

    # The interrupt is in the call, so its end reads the allocator.
    with soundpost.call("block"):
        torch.raises = RuntimeError("CUDAPluggableAllocator does not yet support getDeviceStats")
        soundpost._native.set_strict(False)
    plain()
    torch.raises = None
    reads = len(torch.reads)
    plain()
    scrape = Scrape(telemetry.render(), prefix="program")
    print(scrape.errors("torch"), len(torch.reads) - reads, scrape.outcomes("block"), scrape.in_flight("block"))
    """
        )
        == "1 0 {'ok': 1} 0"
    )


def test_gauges_have_the_nvml_index(program, nvml_sim):
    script = nvml_sim.script(*(nvml_sim.device(number) for number in range(3)))
    assert (
        program(
            """
    import time
    # CUDA's device 0 is NVML's 2, and 1 is its 0. The first torch has a UUID, the second has none.
    torch = Torch(["b0000000-0000-4000-8000-000000000002", None])
    telemetry = soundpost.init(gpu=True, sample_interval=0.1)
    deadline = time.monotonic() + 10
    while "program_gpu_memory_total_bytes{" not in telemetry.render():
        assert time.monotonic() < deadline, telemetry.render()
        time.sleep(0.01)
    torch.imported()
    torch.allocate(2 * GIB)
    torch.free(GIB)
    torch.allocate(3 * GIB, device=1)
    plain()
    scrape = Scrape(telemetry.render(), prefix="program")
    pid = str(os.getpid())
    for gpu, allocated, reserved in [("2", GIB, 2 * GIB), ("0", 3 * GIB, 3 * GIB)]:
        assert scrape.get("program_torch_memory_allocated_bytes", gpu=gpu, pid=pid) == allocated, scrape.text
        assert scrape.get("program_torch_memory_reserved_bytes", gpu=gpu, pid=pid) == reserved
    assert scrape.text.count("torch_memory_allocated_bytes{") == 2
    print("ok")
    """,
            CUDA_VISIBLE_DEVICES="2,0",
            SOUNDPOST_NVML_PATH=nvml_sim.library,
            NVML_SIM_SCRIPT=script,
        )
        == "ok"
    )


def test_each_running_process_has_its_gauges(program, nvml_sim):
    assert (
        program(
            """
    import time
    telemetry = soundpost.init(gpu=True, sample_interval=0.1)
    deadline = time.monotonic() + 10
    while "program_gpu_memory_total_bytes{" not in telemetry.render():
        assert time.monotonic() < deadline, telemetry.render()
        time.sleep(0.01)
    torch = Torch(["b0000000-0000-4000-8000-000000000000"]).imported()
    there, back = os.pipe(), os.pipe()
    pid = os.fork()
    torch.allocate(GIB if pid else 2 * GIB)
    plain()
    if pid == 0:
        os.write(there[1], b".")
        os.read(back[0], 1)
        os._exit(0)

    def shown():
        scrape = Scrape(telemetry.render(), prefix="program")
        values = [(p, scrape.get("program_torch_memory_allocated_bytes", gpu="0", pid=str(p))) for p in (os.getpid(), pid)]
        return [value for _, value in values]

    os.read(there[0], 1)
    before = shown()
    os.write(back[1], b".")
    os.waitpid(pid, 0)
    print(before == [GIB, 2 * GIB], shown() == [GIB, None])
    """,
            SOUNDPOST_NVML_PATH=nvml_sim.library,
            NVML_SIM_SCRIPT=nvml_sim.script(nvml_sim.device(0)),
        )
        == "True True"
    )

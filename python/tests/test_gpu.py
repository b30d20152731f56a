"""GPU memory of calls, with the simulated driver."""

from __future__ import annotations

import pytest

PROGRAM = """
    import os, time, warnings
    warnings.simplefilter("ignore")
    import soundpost
    from scrape import Scrape

    GIB = 1 << 30

    def world(used, own=None):
        "Says what the card holds, and what of it is this process's, in GiB."
        lines = ["driver 550", "nvml 12.550", "cuda 12040", "device GPU-b0", "name Simulated GPU"]
        lines += ["memory_total 24GiB", f"memory_used {used}GiB", "utilization 50"]
        lines += [f"process self compute {own}GiB"] * (own is not None)
        path = os.environ["NVML_SIM_SCRIPT"]
        with open(path + ".new", "w") as script:
            script.write("\\n".join([*lines, ""]))
        os.replace(path + ".new", path)

    def until(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, telemetry.render()
            time.sleep(0.005)

    world(4, 1)
    telemetry = soundpost.init(gpu=True, sample_interval=0.1)
    until(lambda: "program_gpu_process_memory_bytes{" in telemetry.render())
"""


@pytest.fixture
def program(python, nvml_sim):
    def run(source):
        variables = {"SOUNDPOST_NVML_PATH": nvml_sim.library, "NVML_SIM_SCRIPT": nvml_sim.script()}
        return python(PROGRAM + source, SOUNDPOST_STRICT="1", **variables).stdout.strip()

    return run


def test_call_gpu_follows_memory_during_and_after_the_call(program):
    assert (
        program(
            """
    with soundpost.call("synthesize") as call:
        until(lambda: call.gpu is not None)
        assert call.gpu.memory_before == GIB and call.gpu.memory_delta == 0, call.gpu
        world(9, 6)
        until(lambda: call.gpu.memory_peak == 6 * GIB)
        assert call.gpu.memory_delta == 5 * GIB
        world(5, 2)
        until(lambda: call.gpu.memory_delta == GIB)
    used = call.gpu
    assert (used.memory_before, used.memory_peak, used.memory_delta) == (GIB, 6 * GIB, GIB), used
    assert used.of_process and not used.shared
    assert abs(used.utilization_mean - 0.5) < 1e-9
    assert used == call.gpu
    assert repr(used).startswith(f"GpuUse(memory_before={GIB}, memory_peak={6 * GIB}, memory_delta={GIB}, utilization_mean=0.5")
    try:
        used.memory_peak = 0
    except AttributeError:
        print("ok")
    """
        )
        == "ok"
    )


def test_current_and_nested_call_have_gpu_figures(program):
    assert (
        program(
            """
    @soundpost.instrument
    def infer():
        call = soundpost.current_call()
        until(lambda: call.gpu is not None)
        with soundpost.call("inside") as inside:
            return call.gpu.memory_before == inside.gpu.memory_before == GIB

    print(infer())
    """
        )
        == "True"
    )


def test_overlapping_calls_have_shared_figures(program):
    assert (
        program(
            """
    import threading
    entered, leave = threading.Event(), threading.Event()

    def other():
        with soundpost.call("other"):
            entered.set()
            leave.wait(20)

    with soundpost.call("synthesize") as call:
        until(lambda: call.gpu is not None)
        assert not call.gpu.shared
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(20)
        until(lambda: call.gpu.shared)
        leave.set()
        thread.join()
    print("ok")
    """
        )
        == "ok"
    )

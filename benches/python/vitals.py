"""Cost of sampling the host, four processes, and one simulated GPU once a second.

    python benches/python/vitals.py [--seconds 30] [--rounds 3] [--check]

soundpost, nvitop's ResourceMetricCollector, and psutil with GPUtil run in turn. Each has its own interpreter and three
forked processes, and samples all four. The value is the user and system CPU time of the sampling process and its
children, as a share of a core: the median of the rounds. All load the same simulated driver (`crates/nvml-sim`), which
answers at once; a real driver takes more of all three. The simulated driver lacks encoder, decoder, display and other
functions, which nvitop skips after the first try. GPUtil runs `nvidia-smi` for each sample. A shell script with the same
output replaces it, at a fraction of the cost.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

import fresh

ROOT = pathlib.Path(__file__).parents[2]
WARM_UP = 3.0
"""Seconds until the first samples, which load everything, are over."""

WORKERS = """
import resource, signal
pids = [os.getpid()]
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        works()
        signal.pause()
        os._exit(0)
    pids.append(pid)
with open(os.environ["NVML_SIM_SCRIPT"], "a") as script:
    script.writelines(f"process {pid} compute 1GiB\\n" for pid in pids)
"""
MEASURED = """
def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)

def of_threads(*names):
    "Seconds of CPU of the threads with these names."
    total = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as comm, open(f"/proc/self/task/{task}/schedstat") as stat:
            if comm.read().strip() in names:
                total += int(stat.read().split()[0]) * 1e-9
    return total

SAMPLERS = ("soundpost-host", "soundpost-process", "soundpost-gpu")
time.sleep(WARM_UP)
before, threads = spent(), of_threads(*SAMPLERS)
time.sleep(SECONDS)
used, threads = spent() - before, of_threads(*SAMPLERS) - threads
check()
print(json.dumps([used / SECONDS * 100, threads / SECONDS * 100]), flush=True)
for pid in pids[1:]:
    os.kill(pid, 9)
os._exit(0)  # the peers' threads are still running
"""
SOUNDPOST = (
    """
import warnings
warnings.simplefilter("ignore")
import soundpost
telemetry = soundpost.init("bench", listen=None, sample_interval=1.0, directory=DIRECTORY)

@soundpost.instrument
def works():
    pass
"""
    + WORKERS
    + """
def check():
    text = telemetry.render()
    assert text.count("bench_process_resident_memory_bytes{") == 4, text
    assert "bench_gpu_power_watts{" in text and text.count("bench_gpu_process_memory_bytes{") == 5, text
    soundpost.shutdown()
"""
    + MEASURED
)
NVITOP = (
    """
import logging
logging.disable()  # it reports each function that the simulated driver lacks
from nvitop import Device, ResourceMetricCollector
works = lambda: None
"""
    + WORKERS
    + """
collected = []
def collect(metrics):
    collected.append(len(metrics))
    return True

collector = ResourceMetricCollector(Device.all(), root_pids=pids, interval=1.0)
collector.daemonize(on_collect=collect, interval=1.0)
def check():
    assert len(collected) >= SECONDS and min(collected[1:]) > 60, collected
"""
    + MEASURED
)
PSUTIL = (
    """
import threading
import GPUtil, psutil
works = lambda: None
"""
    + WORKERS
    + """
sampled = []
def sample():
    processes = [psutil.Process(pid) for pid in pids]
    while True:
        began = time.monotonic()
        host = psutil.cpu_percent(), psutil.virtual_memory(), os.getloadavg()
        each = []
        for process in processes:
            with process.oneshot():
                each.append((process.memory_info().rss, process.cpu_times(), process.num_threads(), process.num_fds()))
        sampled.append((host, each, [(gpu.memoryUsed, gpu.load, gpu.temperature) for gpu in GPUtil.getGPUs()]))
        time.sleep(max(0.0, began + 1.0 - time.monotonic()))

threading.Thread(target=sample, daemon=True).start()
def check():
    assert len(sampled) >= SECONDS and len(sampled[-1][1]) == 4 and len(sampled[-1][2]) == 1, sampled[-1]
"""
    + MEASURED
)
SMI = """#!/bin/sh
echo "0, GPU-5e1f0000-0000-4000-8000-000000000001, 37, 24576, 6144, 18432, 550.54.14, Simulated GPU, 0, Disabled, Disabled, 61"
"""
BAR = 0.2
"""Maximum share of a core for the sampling threads, in per cent."""


class Figure(NamedTuple):
    """Returns shares of a core in per cent: of the sampling process, and of its sampling threads."""

    process: float
    threads: float


def simulated(directory: pathlib.Path) -> dict[str, str]:
    """Returns the variables that select the simulated driver."""
    script = (ROOT / "crates" / "nvml-sim" / "scripts" / "demo.script").read_text()
    lines = [line for line in script.splitlines() if not line.startswith("process ")]
    (directory / "script").write_text("\n".join([*lines, ""]))
    subprocess.run(["cargo", "build", "--quiet", "--release", "--package", "nvml-sim"], check=True, cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    library = directory / "libnvidia-ml.so.1"
    library.symlink_to(target.resolve() / "release" / "libnvml_sim.so")
    smi = directory / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    return {
        "SOUNDPOST_NVML_PATH": str(library),
        "NVML_SIM_SCRIPT": str(directory / "script"),
        "LD_LIBRARY_PATH": str(directory),
        "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}",
    }


def measure(seconds: float, rounds: int) -> dict[str, Figure]:
    """Returns the medians of all samplers, which run in turn."""
    head = f"WARM_UP, SECONDS = {WARM_UP}, {seconds}\n"
    programs = {"soundpost": SOUNDPOST, "nvitop": NVITOP, "psutil + GPUtil": PSUTIL}
    figures: dict[str, list[list[float]]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            print(f"measuring {name} ...", file=sys.stderr)
            with tempfile.TemporaryDirectory() as directory:
                figures[name].append(fresh.run(head + program, **simulated(pathlib.Path(directory))))
    return {name: Figure(*map(statistics.median, zip(*all_, strict=True))) for name, all_ in figures.items()}


def main() -> int:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="that each of them is measured")
    parser.add_argument("--check", action="store_true", help="fail where the bar is missed")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken of")
    options = parser.parse_args()
    figures = measure(options.seconds, options.rounds)
    ours = figures["soundpost"]
    print("| what samples once a second | % of a core | soundpost's / its |\n|---|---:|---:|")
    for name, figure in figures.items():
        print(f"| {name} | {figure.process:.3f} | {ours.process / figure.process:.2f} |")
    print(f"| the sampling threads of soundpost alone | {ours.threads:.3f} | |")
    return 1 if options.check and ours.threads > BAR else 0


if __name__ == "__main__":
    sys.exit(main())

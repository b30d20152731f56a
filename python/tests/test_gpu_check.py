"""`make gpu-check` without a GPU: with the simulated driver and a fake nvidia-smi."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

CHECK = pathlib.Path(__file__).parents[2] / "scripts" / "gpu_check"

DEVICE = """
utilization 75
memory_utilization 30
temperature 61
power 71500
power_limit 72000
clock_graphics 2040
clock_sm 2040
clock_memory 6251
clock_video 1770
"""
SAID = {
    "index": "0",
    "uuid": "GPU-b0000000-0000-4000-8000-000000000000",
    "name": "Simulated GPU",
    "driver_version": "550.54.14",
    "mig.mode.current": "[N/A]",
    "memory.total": "24576",
    "memory.used": "4096",
    "utilization.gpu": "70",
    "utilization.memory": "30",
    "temperature.gpu": "60",
    "power.draw": "70.00",
    "enforced.power.limit": "72.00",
    "clocks.gr": "2040",
    "clocks.sm": "2040",
    "clocks.mem": "6251",
    "clocks.video": "1770",
    "fan.speed": "[N/A]",
}

SMI = """#!{python}
import json, os, sys
if "-L" in sys.argv:
    print("GPU 0: Simulated GPU (UUID: GPU-b0000000-0000-4000-8000-000000000000)")
    sys.exit()
said = json.load(open(os.environ["FAKE_SMI"]))
query = next(argument for argument in sys.argv if argument.startswith("--query-gpu="))
print(", ".join(said[name] for name in query.partition("=")[2].split(",")))
"""


@pytest.fixture
def check(tmp_path, nvml_sim):
    """Runs the check with this output of nvidia-smi."""

    def run(*arguments, smi=SMI, device=DEVICE, path="", **said):
        binaries = tmp_path / "bin"
        binaries.mkdir()
        if smi:
            program = binaries / "nvidia-smi"
            program.write_text(smi.format(python=sys.executable))
            program.chmod(0o755)
        (tmp_path / "said.json").write_text(json.dumps({**SAID, **said}))
        environment = {
            **os.environ,
            "PATH": str(binaries),
            "FAKE_SMI": str(tmp_path / "said.json"),
            "SOUNDPOST_NVML_PATH": nvml_sim.library,
            "NVML_SIM_SCRIPT": nvml_sim.script(nvml_sim.device(0, device)),
            "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
            "PYTHONPATH": path,
        }
        return subprocess.run(
            [sys.executable, str(CHECK), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )

    return run


def test_missing_driver_is_reported(check):
    ran = check(smi="")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "no GPU, nothing checked: there is no nvidia-smi" in ran.stderr


def test_failing_driver_is_reported_with_its_message(check):
    ran = check(smi="#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "nvidia-smi failed: NVIDIA-SMI has failed" in ran.stderr


def test_agreeing_figures_pass(check):
    ran = check("--only", "wheel")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 x Simulated GPU, driver 550.54.14" in ran.stdout
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| gpu 0 ")]
    assert len(rows) == 12
    assert "| gpu 0 gpu_memory_used_bytes | 4.29497e+09 | 4.29497e+09 | agrees |" in rows
    assert "| gpu 0 gpu_fan_ratio | absent | unavailable | absent in both |" in rows


def test_differing_figures_fail(check):
    said = {"memory.used": "2048", "temperature.gpu": "[N/A]", "fan.speed": "30"}
    ran = check("--only", "wheel", **said)
    assert ran.returncode == 1
    rows = {
        line.split("|")[1].strip(): line for line in ran.stdout.splitlines() if line.startswith("| gpu 0 ")
    }
    assert "**differs by more than" in rows["gpu 0 gpu_memory_used_bytes"]
    assert rows["gpu 0 gpu_fan_ratio"] == "| gpu 0 gpu_fan_ratio | absent | 0.3 | **only in nvidia-smi** |"
    assert "| only in soundpost |" in rows["gpu 0 gpu_temperature_celsius"]
    assert "wheel: gpu 0 gpu_fan_ratio: only in nvidia-smi" in ran.stderr


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_missing_pytorch_is_reported(check):
    ran = check("--only", "calls")
    assert ran.returncode == 1
    assert "Not checked: PyTorch is not installed." in ran.stdout


TORCH = """
# A torch whose tensors are numbers, which are this process's memory on the simulated card.
import os, sys
from fake_torch import Torch

fake = Torch(["b0000000-0000-4000-8000-000000000000"]).imported()
module, cuda = sys.modules["torch"], sys.modules["torch.cuda"]
context = 300 << 20
with open(os.environ["NVML_SIM_SCRIPT"]) as script:
    nothing = script.read()


def show():
    path = os.environ["NVML_SIM_SCRIPT"]
    with open(path + ".new", "w") as script:
        script.write(nothing + f"process self compute {context + fake.devices[0].reserved}\\n")
    os.replace(path + ".new", path)


class Tensor:
    def __init__(self, size):
        self.size = size
        fake.allocate(size)
        show()

    def __del__(self):
        fake.free(self.size)


def empty_cache():
    fake.devices[0].reserved = fake.devices[0].allocated
    show()


module.uint8 = 1
module.zeros = module.empty = lambda size, dtype=1, device="cuda": Tensor(max(size, 512))
cuda.memory_allocated = lambda: fake.devices[0].allocated
cuda.empty_cache = empty_cache
"""


@pytest.mark.timed  # it compares the time of a reading with its limit
def test_allocating_calls_are_checked(check, tmp_path):
    (tmp_path / "torch.py").write_text(TORCH)
    ran = check("--only", "calls", path=os.pathsep.join([str(tmp_path), str(pathlib.Path(__file__).parent)]))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for size in (1, 2, 4):
        for how, delta in (("kept", size), ("given back", 0)):
            call = f"| call that takes {size} GiB, {how}: "
            assert f"{call}peak above before | {size}.000 GiB | {size}.000 GiB | agrees |" in ran.stdout
            assert f"{call}delta | {delta}.000 GiB | {delta}.000 GiB | agrees |" in ran.stdout
    assert "| gauge of PyTorch's allocated memory | 7.000 GiB | 7.000 GiB | agrees |" in ran.stdout

"""Stands in for torch where there is no GPU: the functions that are read, over an allocator of numbers.

Shapes and conditions are those of torch/cuda/__init__.py and torch/cuda/memory.py of PyTorch 2.x. Whatever must not
be done to a host (to initialise CUDA, synchronise, or reset a statistic) is not there: a try is a fault.
"""

from __future__ import annotations

import sys
import threading
import time
import types


class Device:
    def __init__(self, uuid):
        self.uuid = uuid
        self.allocated = self.reserved = self.peak = 0


class Uuid:
    """`torch._C._CUuuid`: only its text is used."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


class Torch:
    """The fake, as a test sees it."""

    def __init__(self, uuids=("00000000-0000-4000-8000-000000000000",), *, built=True, slow=0.0):
        self.devices = [Device(uuid) for uuid in uuids]
        self.initialized = False
        self.slow = slow
        self.reads = []
        self.raises = None
        torch, cuda = types.ModuleType("torch"), types.ModuleType("torch.cuda")
        backends, backends_cuda = types.ModuleType("torch.backends"), types.ModuleType("torch.backends.cuda")
        torch.cuda, torch.backends, backends.cuda = cuda, backends, backends_cuda
        backends_cuda.is_built = lambda: built
        cuda.is_initialized = lambda: self.initialized
        cuda.device_count = lambda: len(self.devices)
        cuda.get_device_properties = self._properties
        cuda.memory_stats_as_nested_dict = self._statistics
        names = {"": torch, ".cuda": cuda, ".backends": backends, ".backends.cuda": backends_cuda}
        self.modules = {"torch" + name: module for name, module in names.items()}

    def imported(self):
        sys.modules.update(self.modules)
        return self

    def allocate(self, size, device=0):
        self.initialized = True
        on = self.devices[device]
        on.allocated += size
        on.reserved = max(on.reserved, on.allocated)
        on.peak = max(on.peak, on.allocated)

    def free(self, size, device=0):
        self.devices[device].allocated -= size

    def _properties(self, device):
        properties = types.SimpleNamespace(name="Simulated GPU")
        if self.devices[device].uuid:
            properties.uuid = Uuid(self.devices[device].uuid)
        return properties

    def _statistics(self, device=None):
        assert self.initialized
        assert isinstance(device, int)
        if self.raises is not None:
            raise self.raises
        if self.slow:
            until = time.perf_counter() + self.slow
            while time.perf_counter() < until:
                pass
        self.reads.append((device, threading.get_ident()))
        on = self.devices[device]

        def array(current, peak):
            pool = {"current": current, "peak": peak, "allocated": peak, "freed": peak - current}
            return {"all": pool, "small_pool": dict.fromkeys(pool, 0), "large_pool": dict(pool)}

        counts = ["allocation", "segment", "active", "inactive_split", "active_bytes", "inactive_split_bytes"]
        return {
            "num_alloc_retries": 0,
            "num_ooms": 0,
            "max_split_size": -1,
            **{name: array(0, 0) for name in counts},
            "allocated_bytes": array(on.allocated, on.peak),
            "reserved_bytes": array(on.reserved, on.reserved),
            "requested_bytes": array(on.allocated, on.peak),
            "oversize_allocations": {"current": 0, "peak": 0, "allocated": 0, "freed": 0},
            "oversize_segments": {"current": 0, "peak": 0, "allocated": 0, "freed": 0},
        }

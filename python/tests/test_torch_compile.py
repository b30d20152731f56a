"""`torch.compile(fullgraph=True)` around instrumented and staged functions.

With PyTorch it compiles for real; otherwise a module with the same functions shows what TorchDynamo is told.
"""

import importlib.util
import sys
import textwrap

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

REAL = """
import soundpost

@soundpost.instrument("before", labels={"kind": lambda arguments: arguments["kind"].upper()})
def before(x, kind="a"):
    return x * 2

import torch

telemetry = soundpost.init("compile", listen=None, gpu=False, directory=directory)

@soundpost.instrument("measured", audio=lambda out: float(out.numel()))
def measured(x):
    return x + 1

@soundpost.stage("inner")
def inner(x):
    return x + 3

@soundpost.instrument("outer")
def outer(x):
    return inner(x) + before(x)

class Module(torch.nn.Module):
    @soundpost.stage("forward")
    def forward(self, x):
        return x * 5

    @soundpost.instrument("generate")
    def generate(self, x):
        return self(x) + 1

def whole(x):
    return outer(x) + measured(x)

x, module = torch.ones(2), Module()
for function, expected in (
    (before, 2), (measured, 2), (inner, 4), (outer, 6), (module, 5), (module.generate, 6), (whole, 8)
):
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    for _ in range(3):
        assert compiled(x).tolist() == [expected, expected]
instrumented = soundpost.instrument("around")(torch.compile(lambda x: x - 1, fullgraph=True, backend="eager"))
assert instrumented(x).tolist() == [0, 0]
counts = {line.split("operation=")[1].split('"')[1]: line.split()[-1]
          for line in telemetry.render().splitlines() if line.startswith("compile_request_total{")}
assert counts == {"before": "3", "measured": "3", "outer": "3", "generate": "3", "around": "1"}, counts
assert 'kind="A"' in telemetry.render()
"""

# The functions of `torch._C._dynamo.eval_frame` in 2.7 and later, and before.
STRATEGIES = """
import enum, sys, types
excluded = []
class Action(enum.IntEnum):
    DEFAULT = 0
    SKIP = 1
eval_frame = types.SimpleNamespace(
    _FrameAction=Action, _FrameExecStrategy=lambda own, callees: (own, callees),
    set_code_exec_strategy=lambda code, strategy: excluded.append((code, strategy)),
)
"""
SKIPS = """
import sys, types
excluded = []
eval_frame = types.SimpleNamespace(skip_code=lambda code: excluded.append((code, None)))
"""
IMPORTED = """
def import_torch():
    torch = types.ModuleType("torch")
    modules = {"torch": torch, "torch._C": types.ModuleType("torch._C")}
    modules["torch._C._dynamo"] = types.ModuleType("torch._C._dynamo")
    modules["torch._C._dynamo"].eval_frame = eval_frame
    torch.compile = torch.backends = None
    sys.modules.update(modules)
"""
WRAPPED = """
import gc
import soundpost

@soundpost.instrument("a", labels={"kind": lambda arguments: "x"})
def one(): ...
@soundpost.stage("b")
def two(): ...
assert one._torchdynamo_inline is one.__wrapped__ and two._torchdynamo_inline is two.__wrapped__
del two
gc.collect()
assert not excluded
import_torch()
DO
assert one.__code__ in [code for code, _ in excluded], excluded
strategies = {code: strategy for code, strategy in excluded}
own = strategies[one.__code__]
reporting = [strategy for code, strategy in excluded if code.co_name == "call"]
assert (own, reporting) in (((1, 0), [(1, 1)]), (None, [None])), (own, reporting)
# The dropped wrapper's code is gone.
assert len([code for code, _ in excluded if code.co_name in ("one", "two")]) == 1
@soundpost.stage("c")
def three(): ...
assert excluded[-1][0] is three.__code__
"""
INIT = 'soundpost.init("compile", listen=None, gpu=False, directory=directory)'
DECORATION = 'soundpost.stage("d")(lambda: None)'


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch")
def test_torch_compiles_what_is_instrumented_and_staged(run, tmp_path):
    run(REAL, tmp_path)


@pytest.mark.parametrize("dynamo", [STRATEGIES, SKIPS])
@pytest.mark.parametrize("event", [INIT, DECORATION, INIT + "\none()"])
def test_wrappers_are_excluded_once_torch_is_imported(run, tmp_path, dynamo, event):
    run(dynamo + IMPORTED + WRAPPED.replace("DO", event), tmp_path)


@pytest.fixture
def run():
    """Returns a function that runs a program with `directory` set, in a process of its own."""
    import subprocess

    def run(program, directory):
        text = f"directory = {str(directory)!r}\n{textwrap.dedent(program)}"
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr

    return run

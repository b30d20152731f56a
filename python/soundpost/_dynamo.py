"""Wrappers under `torch.compile`: they run as they are, and the function that they call is compiled.

In a graph, which holds no recording, TorchDynamo takes a wrapped function for the function itself.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FunctionType

_INLINE = "_torchdynamo_inline"

_waiting: dict[int, tuple[weakref.ref[CodeType], bool]] = {}
"""Code objects from before PyTorch was imported, by identity, and whether what they call is excluded too."""


def mark(wrapper: FunctionType, function: object) -> None:
    """Has TorchDynamo run the wrapper's frames as they are, and trace `function` in its place."""
    setattr(wrapper, _INLINE, function)
    exclude(wrapper.__code__, callees=False)


def exclude(code: CodeType, *, callees: bool = True) -> None:
    """Has TorchDynamo run a code object's frames as they are, with `callees` also all that they call."""
    key = id(code)
    _waiting[key] = weakref.ref(code, lambda _code: _waiting.pop(key, None)), callees
    apply()


def apply() -> None:
    """Excludes the code objects that wait for PyTorch, if it is imported."""
    # The attribute is one of the last that its import sets.
    is_imported = hasattr(sys.modules.get("torch"), "compile")
    set_strategy = _strategy_setter() if is_imported else None
    while set_strategy is not None and _waiting:
        _, (reference, callees) = _waiting.popitem()
        if (code := reference()) is not None:
            set_strategy(code, callees)


def _strategy_setter() -> Any:
    """Returns the function that excludes a code object, or None."""
    import importlib

    try:
        eval_frame = importlib.import_module("torch._C._dynamo").eval_frame
    except Exception:
        # Another module of that name, or a PyTorch without TorchDynamo.
        return None
    if not hasattr(eval_frame, "set_code_exec_strategy"):
        # PyTorch before 2.7.
        return lambda code, _callees: eval_frame.skip_code(code)
    action, strategy = eval_frame._FrameAction, eval_frame._FrameExecStrategy

    def set_strategy(code: CodeType, callees: bool) -> None:
        of_callees = action.SKIP if callees else action.DEFAULT
        eval_frame.set_code_exec_strategy(code, strategy(action.SKIP, of_callees))

    return set_strategy

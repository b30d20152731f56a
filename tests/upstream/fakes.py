"""Stands in for what the services need and a test machine lacks: torch over numpy, and modules of any name.

A fake module has every attribute: a name in capital letters is a class, every other one a function that returns
its only argument if that is a function, so that it also serves as a decorator.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import threading
import types
from abc import ABCMeta
from typing import Any

import numpy as np

LEFT_OUT = {
    "apex",
    "chardet",
    "deepspeed",
    "flash_attn",
    "torch_npu",
    "triton",
    "ttsfrd",
    "vllm",
    "intel_extension_for_pytorch",
}
"""Modules without which the services work."""
HANG = threading.Event()
"""Ends the wait of a text with a question mark."""
WAITING = threading.Semaphore(0)
"""Is released by each such wait."""
LETTER = 0.1
"""Seconds of audio that the fake models make of each letter."""


def speak(text: str) -> int:
    """Returns the letters of a text; `!` fails for memory, `?` waits."""
    if "!" in text:
        raise RuntimeError("CUDA out of memory")
    if "?" in text:
        WAITING.release()
        HANG.wait(60)
    return len(text)


def samples(letters: int, rate: int) -> Tensor:
    return np.ones((1, round(letters * LETTER * rate)), dtype=np.float32).view(Tensor)


class Meta(ABCMeta):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Thing()

    def __getitem__(cls, key: object) -> Any:
        return cls


class Thing(metaclass=Meta):
    """An object that has every attribute, is every function and is a context."""

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def __init_subclass__(cls, **options: object) -> None:
        pass

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        is_decorator = len(arguments) == 1 and not options and callable(arguments[0])
        return arguments[0] if is_decorator else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing()

    def __getitem__(self, key: object) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    def __mro_entries__(self, bases: object) -> Any:
        return (Thing,)

    def __same(self, *others: object) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = (
        __same
    )
    __or__ = __ror__ = __lt__ = __le__ = __gt__ = __ge__ = __pow__ = __rpow__ = __matmul__ = __setitem__ = (
        __same
    )


class Tensor(np.ndarray):
    """An array with the methods of a tensor that the services call."""

    device = types.SimpleNamespace(type="cpu", index=None)

    def to(self, *arguments: object, **options: object) -> Any:
        return self

    cpu = detach = float = int = long = contiguous = type = half = to

    def clone(self) -> Any:
        return self.copy()

    def nonzero(self, as_tuple: bool = True) -> Any:
        return np.argwhere(self.view(np.ndarray)).view(Tensor)

    def copy_(self, other: Any) -> Any:
        self[...] = other
        return self

    def narrow(self, dim: int, start: int, length: int) -> Any:
        return self[(slice(None),) * dim + (slice(start, start + length),)]

    def permute(self, *axes: int) -> Any:
        return np.ndarray.transpose(self, axes)

    def numpy(self) -> Any:
        return self.view(np.ndarray)

    def size(self, axis: Any = None) -> Any:  # type: ignore[override]
        return self.shape if axis is None else self.shape[axis]

    def unsqueeze(self, dim: int) -> Any:
        return np.expand_dims(self, dim).view(Tensor)

    def squeeze(self, dim: Any = None) -> Any:  # type: ignore[override]
        return (
            self
            if dim is not None and self.shape[dim] != 1
            else np.squeeze(self.view(np.ndarray), dim).view(Tensor)
        )

    def transpose(self, *axes: int) -> Any:
        return np.swapaxes(self, *axes) if len(axes) == 2 else np.ndarray.transpose(self, *axes)

    def numel(self) -> int:
        return np.ndarray.size.__get__(self)

    def mean(self, *arguments: Any, dim: Any = None, keepdim: bool = False, **options: Any) -> Any:  # type: ignore[override]
        return np.mean(self.view(np.ndarray), axis=dim, keepdims=keepdim).view(Tensor)


class Mel:
    """A spectrogram of letters."""

    def __init__(self, letters: int) -> None:
        self.letters = letters

    def __getitem__(self, key: object) -> Any:
        return self

    def float(self) -> Any:
        return self


def tensor(data: Any, **options: object) -> Tensor:
    return np.asarray(data).view(Tensor)


def _shape(shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape


def cat(tensors: Any, dim: int = 0, axis: Any = None) -> Tensor:
    return np.concatenate(list(tensors), axis=dim if axis is None else axis).view(Tensor)


def _torch() -> dict[str, Any]:
    contents: dict[str, Any] = {
        "Tensor": Tensor,
        "tensor": tensor,
        "as_tensor": tensor,
        "from_numpy": tensor,
        "IntTensor": tensor,
        "LongTensor": tensor,
        "cat": cat,
        "concat": cat,
        "stack": lambda tensors, dim=0: np.stack(tensors, dim).view(Tensor),
        "zeros": lambda *shape, **_: np.zeros(_shape(shape), dtype=np.float32).view(Tensor),
        "ones": lambda *shape, **_: np.ones(_shape(shape), dtype=np.float32).view(Tensor),
        "empty": lambda *shape, **_: np.zeros(_shape(shape), dtype=np.float32).view(Tensor),
        "clamp": lambda given, low, high: np.clip(given, low, high),
        "abs": np.abs,
        "sqrt": np.sqrt,
        "square": np.square,
        "mean": lambda given, dim=None, keepdim=False: np.mean(given, axis=dim, keepdims=keepdim),
        "is_tensor": lambda given: isinstance(given, Tensor),
        "device": lambda name: types.SimpleNamespace(type=str(name), index=None),
        "__version__": "2.7.0",
    }
    return contents


class Progress:
    """A bar that is not shown."""

    def __new__(cls, iterable: Any = None, *arguments: object, **options: object) -> Any:
        return Thing() if iterable is None else iterable


class Model(Thing):
    """A record of options, whose defaults are attributes of its class."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


CONTENTS: dict[str, dict[str, Any]] = {
    "pydantic": {"BaseModel": Model},
    "torch": _torch(),
    "torch.cuda": {"is_available": lambda: False},
    "torch.nn.functional": {
        "pad": lambda given, pad, value=0: np.pad(given, [(0, 0), pad], constant_values=value).view(Tensor)
    },
    "tqdm": {"tqdm": Progress},
    "tqdm.auto": {"tqdm": Progress},
}
"""Attributes of fake modules whose results the services read. Their packages are fakes, also if installed."""
OF_GRADIO = {
    "PIL",
    "filelock",
    "fsspec",
    "gradio",
    "gradio_client",
    "httpx",
    "huggingface_hub",
    "pandas",
    "pydub",
}
"""Packages that the example of Gradio installs. They are fakes as well, and the same wherever the tests run."""


class Module(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = Meta(name, (Thing,), {}) if name[0].isupper() else Thing()
        setattr(self, name, found)
        return found


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a fake for each module of these packages; without any, for modules that no other finder has."""

    def __init__(self, packages: set[str] | None = None) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        root = name.partition(".")[0]
        if self._packages is None:
            is_known = root in LEFT_OUT or root in sys.stdlib_module_names
            is_fake = not is_known and isinstance(sys.modules.get(root, self), (Module, Finder))
        else:
            is_fake = root in self._packages
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_fake else None

    def create_module(self, spec: Any) -> Module:
        module = Module(spec.name)
        vars(module).update(CONTENTS.get(spec.name, {}))
        return module

    def exec_module(self, module: Any) -> None:
        pass


def install(*modules: str) -> None:
    """Lets imports of missing modules find fakes, and those of packages with contents or of Gradio, and of these modules."""
    sys.meta_path.insert(0, Finder(OF_GRADIO | {name.partition(".")[0] for name in CONTENTS}))
    sys.meta_path.append(finder := Finder())
    for name in modules:
        sys.modules[name] = finder.create_module(importlib.machinery.ModuleSpec(name, finder))

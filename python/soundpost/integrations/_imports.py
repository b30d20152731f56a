"""The import hook: calls a function when a module has been imported.

The bootstrap loads it by its path into every Python process, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Callback = Callable[[ModuleType], None]


class ImportHook:
    """A finder in front of the others. It finds nothing by itself, and leaves all other modules alone."""

    def __init__(self) -> None:
        self.callbacks: dict[str, dict[str, Callback]] = {}

    def watch(self, name: str, integration: str, callback: Callback) -> None:
        """Calls an integration's `callback` with the module of this name, now and after each import."""
        self.callbacks.setdefault(name, {})[integration] = callback
        module = sys.modules.get(name)
        # A module in the middle of its import calls back at the end of it.
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            self._call(callback, module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the spec of the next finder that has one, with a loader that calls back."""
        if name not in self.callbacks:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None) if finder is not self else None
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                return self._observed(spec)
        return None

    def _observed(self, spec: ModuleSpec) -> ModuleSpec:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        # A loader that is a class is that of built-in and frozen modules.
        if execute is None or isinstance(loader, type):
            return spec

        def exec_module(module: ModuleType) -> None:
            if vars(loader).get("exec_module") is exec_module:
                del loader.exec_module
            execute(module)
            # A loader may be shared by modules, such as those of one archive.
            if module.__name__ == spec.name:
                self.imported(module)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError):
            # The module is imported and not hooked.
            return spec
        return spec

    def imported(self, module: ModuleType) -> None:
        """Calls back. An import never fails for what a callback raises."""
        for callback in list(self.callbacks[module.__name__].values()):
            self._call(callback, module)

    def _call(self, callback: Callback, module: ModuleType) -> None:
        try:
            callback(module)
        except Exception:
            import logging

            text = "soundpost: %s cannot be instrumented"
            logging.getLogger("soundpost").warning(text, module.__name__, exc_info=True)


def installed() -> ImportHook:
    """Returns the import hook of this process, which it installs first."""
    for finder in sys.meta_path:
        if type(finder).__name__ == ImportHook.__name__:
            # The bootstrap's class is another object of the same source.
            return finder  # type: ignore[return-value]
    hook = ImportHook()
    sys.meta_path.insert(0, hook)
    return hook


def report(line: str, *, limit_bytes: int) -> None:
    """Appends a line to the file that `soundpost run` names, unless it has more than `limit_bytes`."""
    path = os.environ.get("SOUNDPOST_HOOK_REPORT")
    if not path:
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # The command has been left by `soundpost run`.
    try:
        if os.fstat(file).st_size <= limit_bytes:
            os.write(file, (line + "\n").encode())
    except OSError:
        pass
    finally:
        os.close(file)

"""Installs the import hook in each Python process that has this directory first in `PYTHONPATH`.

Any version of Python reads this file, so it does nothing before it has checked the version. Then it runs the
`sitecustomize` that it hides.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object


def _load(name: str) -> Any:
    """Runs a file of the package, without the package and what importing one costs."""
    from importlib.machinery import SourceFileLoader

    name, path = "soundpost" + name, os.path.join(os.path.dirname(_HERE), name + ".py")
    module = type(sys)(name)
    exec(SourceFileLoader(name, path).get_code(name), vars(module))  # type: ignore[arg-type]
    return module


def _install() -> None:
    registry = _load("_registry")
    own, others, unknown = registry.selected(os.environ.get("SOUNDPOST_INSTRUMENT", ""))
    for name in unknown:
        known = ", ".join(sorted([*registry.MODULES, *registry.third_parties()]))
        sys.stderr.write(
            "soundpost: SOUNDPOST_INSTRUMENT: no integration {!r}; known: {}\n".format(name, known)
        )
    if own or others:
        imports = _load("_imports")
        imports.report("hooked", limit_bytes=0)
        registry.watch(imports.installed(), own, others)


def _run_hidden() -> None:
    """Runs the next `sitecustomize` on the path."""
    from importlib.machinery import PathFinder

    path = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(sys.modules[__name__])


_HERE = os.path.dirname(os.path.abspath(__file__))
if sys.version_info >= (3, 10):
    try:
        if os.environ.get("SOUNDPOST_DISABLED", "").strip().lower() not in ("1", "true", "yes", "on"):
            _install()
    except Exception:
        import traceback

        sys.stderr.write("soundpost: the import hook cannot be installed\n")
        traceback.print_exc()
_run_hidden()

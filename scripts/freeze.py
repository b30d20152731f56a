"""Freezes the example speech service with PyInstaller, and runs its demo on the result.

Fails if the frozen program lacks a module of the package, or if what is scraped from it is not what was sent to it.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PyInstaller.archive.readers import CArchiveReader

import soundpost

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "tts_service"
NAME = "tts_service"


def main() -> int:
    """Returns the exit status of the demo."""
    with tempfile.TemporaryDirectory(prefix="soundpost-frozen-") as directory:
        program = _frozen(Path(directory))
        missing = _modules() - _modules_of(program)
        if missing:
            print(f"The frozen program lacks {', '.join(sorted(missing))}", file=sys.stderr)
            return 1
        demo = [sys.executable, "-m", "demo", "--program", program]
        return subprocess.run(demo, cwd=EXAMPLE, check=False).returncode


def _frozen(directory: Path) -> Path:
    """Freezes the service, and returns its program."""
    paths = {"--distpath": directory / "dist", "--workpath": directory / "work", "--specpath": directory}
    options = [str(part) for pair in paths.items() for part in pair]
    # uvicorn imports the application by name; the engine is a library of C with its voices.
    own = ["--hidden-import", f"{NAME}.app", "--collect-all", "espeakng_loader", "--paths", str(EXAMPLE)]
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "--name", NAME]
    subprocess.run([*command, *options, *own, EXAMPLE / NAME / "__main__.py"], check=True, cwd=directory)
    return directory / "dist" / NAME / NAME


def _modules() -> set[str]:
    """Returns the modules of the installed package that a service can import."""
    found = pkgutil.walk_packages(soundpost.__path__, "soundpost.")
    # The extension lies beside the archive; the others are for the command line and for tests.
    others = {f"soundpost.{name}" for name in ("_native", "__main__", "_program", "testing")}
    return {module.name for module in found} - others


def _modules_of(program: Path) -> set[str]:
    archive = CArchiveReader(str(program))
    return set(archive.open_embedded_archive("PYZ.pyz").toc)


if __name__ == "__main__":
    sys.exit(main())

"""Tests against the real files of the services, with fake models: `pytest tests/upstream --sources DIRECTORY`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drivers import MODULES
from signatures import Sources

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sources", action="append", default=[], help="directory with clones of the services")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test with each driver whose service one of the directories has."""
    if "driver" in metafunc.fixturenames:
        found = roots(metafunc.config)
        metafunc.parametrize(("driver", "root"), [(name, root) for name, root in found.items() if root])


def pytest_report_header(config: pytest.Config) -> str:
    missing = [name for name, root in roots(config).items() if root is None]
    return f"services that --sources lacks, left out: {', '.join(missing) or 'none'}"


def roots(config: pytest.Config) -> dict[str, Path | None]:
    """Returns the directory from which the modules of each driver's service are imported."""
    directories = [Sources(Path(each).resolve()) for each in config.getoption("--sources")]
    found: dict[str, Path | None] = {}
    for name, module in MODULES.items():
        paths = [path for sources in directories if (path := sources.path(module))]
        depth = module.count(".") + (bool(paths) and paths[0].name == "__init__.py")
        found[name] = paths[0].parents[depth] if paths else None
    return found

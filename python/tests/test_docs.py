"""The documentation: its Python examples run, its YAML is valid, and its tables are complete.

A document's ```python blocks are run in their order as one program, in a process and a state directory of its
own. A comment `<!-- python ... -->` is part of that program: what an example needs and no reader does.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").rglob("*.md"))]
HIDDEN = r"<!-- python\n(?P<hidden>.*?)^-->"
SHOWN = r"```(?P<kind>\w+)\n(?P<shown>.*?)^```"
BLOCK = re.compile(rf"^(?:{HIDDEN}|{SHOWN})$", re.M | re.S)


def blocks(document, kind):
    """Returns the blocks of a kind: the number of the line before each, and its text."""
    text = document.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match["kind"] == kind or (match["hidden"] is not None and kind == "python"):
            yield text.count("\n", 0, match.start()) + 1, match["shown"] or match["hidden"]


def program(document):
    """Returns all Python of a document, with each line at its place in the document."""
    lines = []
    for line, text in blocks(document, "python"):
        lines += [""] * (line - len(lines)) + text.splitlines()
    return "\n".join(lines) + "\n"


def identify(document):
    return str(document.relative_to(ROOT))


WITH_PYTHON = [document for document in DOCUMENTS if any(blocks(document, "python"))]
WITH_YAML = [(identify(document), text) for document in DOCUMENTS for _, text in blocks(document, "yaml")]


def test_documents_have_examples():
    assert len(WITH_PYTHON) >= 6
    assert WITH_YAML


@pytest.mark.parametrize("document", WITH_PYTHON, ids=identify)
def test_python_of_document_runs(document, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")}
    environment |= {
        "SOUNDPOST_DIRECTORY": str(tmp_path / "state"),
        "SOUNDPOST_LISTEN": "127.0.0.1:0",
        "SOUNDPOST_STRICT": "1",
        "PYTHONWARNINGS": "error",
    }
    # Tracebacks show the name and lines of the document.
    source = tmp_path / "example.py"
    source.write_text(program(document), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(source)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, f"{document}, same line numbers:\n{ran.stdout}\n{ran.stderr}"


@pytest.mark.parametrize(("document", "text"), WITH_YAML)
def test_yaml_of_document_is_valid(document, text, tmp_path):
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(text)
    assert isinstance(read, dict), document
    promtool = shutil.which("promtool") or shutil.which(
        "promtool", path=str(ROOT / ".tools/prometheus/usr/bin")
    )
    check = {"scrape_configs": ["config", "--syntax-only"], "groups": ["rules"]}
    for arguments in (arguments for key, arguments in check.items() if key in read and promtool):
        file = tmp_path / "checked.yml"
        file.write_text(text, encoding="utf-8")
        command = [promtool, "check", *arguments, str(file)]
        checked = subprocess.run(command, check=False, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_settings_page_has_every_argument_of_init():
    import soundpost

    table = (ROOT / "docs/guide/settings.md").read_text(encoding="utf-8")
    for name in inspect.signature(soundpost.init).parameters:
        assert f"| `{name}`, `SOUNDPOST_{name.upper()}` |" in table, (
            f"docs/guide/settings.md does not have {name}"
        )


def test_page_of_each_service_has_what_it_records():
    from soundpost.integrations import _apply, _registry

    services = [name for name in _registry.MODULES if _apply.integration(name).starts]
    for name in services:
        page = (ROOT / "docs" / "guide" / "services" / f"{name}.md").read_text(encoding="utf-8")
        assert f"--instrument {name} -- " in page
        for hook in _apply.integration(name).hooks:
            names = [
                hook.operation,
                hook.stage,
                *hook.options.get("labels", ()),
                *hook.options.get("fields", ()),
            ]
            for each in filter(None, names):
                assert f"`{each}`" in page, f"{name}: {each}"


def test_names_in_documents_exist():
    """Checks that each name the documents use of `soundpost` exists."""
    import soundpost

    for document in DOCUMENTS:
        text = "\n".join(text for _, text in blocks(document, "python"))
        for name in re.findall(r"\bsoundpost\.([A-Za-z_]+)", text):
            exists = hasattr(soundpost, name) or importlib.util.find_spec(f"soundpost.{name}")
            assert exists, f"{identify(document)}: soundpost.{name}"


def test_reliability_commands_name_tests_that_exist():
    """Each `cargo` command of the page names a crate, a target, and words that occur in its tests' paths."""
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    for command in re.findall(r"`[^`]*(cargo (?:test|run) [^`]*)`", page):
        words = command.split()
        crate = ROOT / "crates" / words[words.index("-p") + 1]
        if "--example" in words:
            assert (crate / "examples" / f"{words[words.index('--example') + 1]}.rs").exists(), command
            continue
        folder, filters = "src", words[words.index("-p") + 2 :]
        if "--test" in words:
            target = words[words.index("--test") + 1]
            folder, filters = f"tests/{target}", words[words.index("--test") + 2 :]
        sources = [*(crate / folder).rglob("*.rs"), *crate.glob(f"{folder}.rs")]
        assert sources, command
        paths = set()
        for source in sources:
            module = "::".join(source.relative_to(crate).with_suffix("").parts[1:]).removesuffix("::mod")
            names = re.findall(r"\b(?:fn|mod) (\w+)", source.read_text(encoding="utf-8"))
            paths |= {module, *(f"{module}::{name}" for name in names)}
            paths |= {f"{module}::tests::{name}" for name in names}
        for word in filters:
            if not word.startswith("-") and word not in ("N", "--lib"):
                assert any(word in path for path in paths), f"{command}: {word}"

"""Checks the hooks of the integrations against sources of the services, which are parsed and not imported.

`python tests/upstream/signatures.py DIRECTORY` prints the state of each hook; with `--pin`, the rows of
`signatures.tsv` as the directory has them, and the other rows as they are.
"""

from __future__ import annotations

import ast
import csv
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from soundpost.integrations import _apply, _registry

GONE, PARTIAL, OK = "gone", "partial", "ok"
TABLE = Path(__file__).with_name("signatures.tsv")
COLUMNS = ("integration", "hook", "kind", "parameters")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Signature:
    """Kind and parameters of a function."""

    kind: str
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, function: Function) -> Signature:
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        stars = [("*", arguments.vararg), ("**", arguments.kwarg)]
        names = [*(each.arg for each in named), *(mark + each.arg for mark, each in stars if each)]
        kind = "async " * isinstance(function, ast.AsyncFunctionDef)
        return cls(kind + ("generator" if _yields(function) else "function"), tuple(names))

    def __contains__(self, parameter: str) -> bool:
        return parameter in self.parameters or any(name.startswith("**") for name in self.parameters)


def _yields(function: Function) -> bool:
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, inner):
            waiting += ast.iter_child_nodes(node)
    return False


class Sources:
    """The Python files under a directory, by the name of their module."""

    def __init__(self, directory: Path) -> None:
        self._files: dict[str, list[Path]] = {}
        for path in sorted(directory.rglob("*.py"), key=lambda path: (len(path.parts), path)):
            name = path.parent.name if path.name == "__init__.py" else path.stem
            self._files.setdefault(name, []).append(path)

    def path(self, module: str) -> Path | None:
        """Returns the file of a module, wherever its package lies below the directory."""
        parts = module.split(".")
        for path in self._files.get(parts[-1], ()):
            packages = (
                path.parent.parts[-len(parts) :] if path.name == "__init__.py" else path.with_suffix("").parts
            )
            if list(packages[-len(parts) :]) == parts:
                return path
        return None

    def signature(self, module: str, name: str) -> Signature | None:
        """Returns the signature of a function or method, also of an imported or inherited one."""
        path = self.path(module)
        body = [] if path is None else _parsed(path).body
        *owners, last = name.split(".")
        for owner in owners:
            found = _named(body, owner)
            if not isinstance(found, ast.ClassDef):
                return None
            bases = [base.id for base in found.bases if isinstance(base, ast.Name)]
            if _named(found.body, last) is None:
                inherited = (self.signature(module, f"{base}.{last}") for base in bases)
                return next((each for each in inherited if each is not None), None)
            body = found.body
        found = _named(body, last)
        if isinstance(found, ast.ImportFrom):
            # The first level of a package is itself.
            level = found.level - (path is not None and path.name == "__init__.py")
            source = ["", *module.split(".")][: -level or None] if found.level else [""]
            return self.signature(".".join([*filter(None, source), *filter(None, [found.module])]), last)
        return Signature.of(found) if isinstance(found, Function) else None


@cache
def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        # Of escapes in their strings.
        warnings.simplefilter("ignore")
        return ast.parse(path.read_text(encoding="utf-8"))


def _named(body: list[ast.stmt], name: str) -> ast.stmt | None:
    """Returns the last definition or import of a name, also one under `if` or `try`."""
    found = None
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            found = _named([each for each in ast.walk(node) if isinstance(each, ast.stmt)][1:], name) or found
        elif isinstance(node, ast.ImportFrom):
            found = node if any((each.asname or each.name) == name for each in node.names) else found
        elif isinstance(node, (ast.ClassDef, *Function.__args__)) and node.name == name:
            found = node
    return found


def pinned() -> dict[tuple[str, str], Signature]:
    """Returns the signatures for which the hooks were written, by integration and hook."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {
        (row["integration"], row["hook"]): Signature(row["kind"], tuple(row["parameters"].split()))
        for row in rows
    }


def check(directory: Path) -> dict[str, dict[str, str]]:
    """Returns the state of each hook by integration; without packages that the directory lacks."""
    sources, table = Sources(directory), pinned()
    states: dict[str, dict[str, str]] = {}
    for name in sorted(_registry.MODULES):
        hooks = _apply.integration(name).hooks
        found = {hook.module.partition(".")[0] for hook in hooks if sources.path(hook.module)}
        for hook in hooks:
            if hook.module.partition(".")[0] in found:
                signature = sources.signature(hook.module, hook.name)
                state = _state(signature, table[name, hook.target], hook.needs)
                states.setdefault(name, {})[hook.target] = state
    return states


def _state(found: Signature | None, known: Signature, needs: tuple[str, ...]) -> str:
    if found is None or any(parameter not in found for parameter in needs):
        return GONE
    changed = [name for name in known.parameters if not name.startswith("*") and name not in found]
    return PARTIAL if changed or found.kind != known.kind else OK


def main(directory: str, *options: str) -> None:
    if "--pin" in options:
        sources, table = Sources(Path(directory)), pinned()
        writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in sorted(_registry.MODULES):
            for hook in _apply.integration(name).hooks:
                found = sources.signature(hook.module, hook.name) or table.get((name, hook.target))
                assert found is not None, hook.target
                writer.writerow([name, hook.target, found.kind, " ".join(found.parameters)])
        return
    states = check(Path(directory))
    for name, hooks in states.items():
        for hook, state in hooks.items():
            print(name, hook, state, sep="\t")
    print(
        "not in the directory:",
        ", ".join(sorted(_registry.MODULES.keys() - states.keys())) or "none",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

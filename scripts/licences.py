"""Fails when a dependency has a licence that `deny.toml` does not allow.

`cargo deny check` (see `make deny`) says more, but takes minutes to install; this takes a second.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def allowed(expression: str, licences: set[str]) -> bool:
    """Whether an SPDX expression can be satisfied with these licences.

    >>> allowed("MIT OR Apache-2.0", {"MIT"}), allowed("(MIT OR Apache-2.0) AND Unicode-3.0", {"MIT"})
    (True, False)
    """
    names = set()

    def name(match: re.Match[str]) -> str:
        word = match[0]
        if word in ("AND", "OR"):
            return word.lower()
        names.add(word)
        return str(word in licences)

    # "MIT/Apache-2.0" is how older crates write OR. After this only True, False, and, or and brackets are left.
    logic = re.sub(r"[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?", name, expression.replace("/", " OR "))
    return bool(names) and bool(eval(logic, {"__builtins__": {}}))


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    rules = tomllib.loads((root / "deny.toml").read_text())["licenses"]
    licences = set(rules["allow"])
    exceptions = {exception["crate"]: set(exception["allow"]) for exception in rules.get("exceptions", [])}
    command = ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout)[
        "packages"
    ]
    wrong = [
        package
        for package in packages
        if not allowed(package["license"] or "", licences | exceptions.get(package["name"], set()))
    ]
    for package in wrong:
        print(f"{package['name']} {package['version']}: licence {package['license']!r} is not in deny.toml")
    print(f"licences: {len(packages)} packages, {len(wrong)} not allowed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

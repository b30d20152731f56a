"""Fails on a licence that is not allowed: of a crate, of a Python package, or of a server that the tests run.

Crates follow `deny.toml`; `cargo deny check` (see `make deny`) does more, but takes minutes to install. Tools and servers
of the tests are not distributed, so that more licences are allowed for them; AGPL and SSPL never are.
"""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = re.compile(r"\bAGPL|Affero|\bSSPL|Server Side Public", re.I)
# Licences that mention the AGPL only to define how they combine with it.
COMBINED = re.compile(
    r"13\. Use with the GNU Affero.*?14\. Revised|means either the GNU General Public.*?licenses", re.S
)
# Allowed in tools and servers of the tests, by words of a licence's text or of its name.
ALLOWED_IN_TESTS = re.compile(
    r"Apache|\bMIT\b|Permission is hereby granted, free of charge|Permission to use, copy, modify"
    r"|\bBSD|Redistribution and use in source and binary forms|\bISC\b|\bMPL|Mozilla Public|\bPSF|Python Software"
    r"|\bL?GPL|GNU (Lesser |Library )?General Public|Eclipse Public|\bEPL|\bEDL|Unlicense|public domain|\bCC0|Zlib|Bouncy Castle",
    re.I,
)

# Of crates that only tests link, beside those in deny.toml.
TEST_CRATES = {"libfuzzer-sys": {"NCSA"}}

# Python packages whose metadata names no licence.
UNSTATED = {"espeakng-loader": "GPL-3.0-or-later"}  # contains eSpeak NG; only the example service uses it


def allowed(expression: str, licences: set[str]) -> bool:
    """Returns whether an SPDX expression can be satisfied with these licences.

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


def problem(text: str) -> str:
    """Returns the reason why a test may not use software with this licence, by its name or text; "" if it may.

    >>> problem("GNU General Public License v3"), problem("GNU Affero General Public License v3")
    ('', "forbidden: 'Affero'")
    """
    if forbidden := FORBIDDEN.search(COMBINED.sub("", text)):
        return f"forbidden: {forbidden[0]!r}"
    return "" if ALLOWED_IN_TESTS.search(text) else f"not recognised: {text[:60]!r}"


def is_licence(path: Path) -> bool:
    return path.is_file() and bool(re.match(r"licen[cs]e|copying|unlicense", path.name, re.I))


def of_folder(folder: Path) -> list[str]:
    """Returns the problems of a folder with one licence file for each component."""
    texts = {path.name: path.read_text(errors="replace") for path in sorted(folder.iterdir())}
    return [f"{name}: {reason}" for name, text in texts.items() if (reason := problem(text))]


def of_crates() -> list[str]:
    rules = tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]
    licences = set(rules["allow"])
    exceptions = {exception["crate"]: set(exception["allow"]) for exception in rules.get("exceptions", [])}
    exceptions |= TEST_CRATES
    command = ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked", "--manifest-path"]
    wrong = []
    for manifest in ("Cargo.toml", "tests/fuzz/Cargo.toml"):
        output = subprocess.run([*command, manifest], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        wrong += [
            f"{package['name']} {package['version']}: licence {package['license']!r} is not in deny.toml"
            for package in json.loads(output)["packages"]
            if not allowed(package["license"] or "", licences | exceptions.get(package["name"], set()))
        ]
    return wrong


def of_python() -> list[str]:
    """Returns the problems of the packages in this environment."""
    wrong = []
    for package in metadata.distributions():
        if reason := problem(stated(package)):
            wrong.append(f"{package.name}: {reason}")
    return wrong


def stated(package: metadata.Distribution) -> str:
    """Returns the licences that a package's metadata names, a line each."""
    fields = package.metadata
    names = [fields.get("License-Expression") or "", (fields.get("License") or "")[:200]]
    names += [UNSTATED.get(fields["Name"], "")]
    names += [each for each in fields.get_all("Classifier") or [] if each.startswith("License")]
    return "\n".join(filter(None, names))


def of_servers() -> list[str]:
    """Returns the problems of the servers in the list, and of those in the cache by the licences beside them."""
    from servers import CACHE, SERVERS

    wrong = [f"{server.name}: {reason}" for server in SERVERS if (reason := problem(server.licence))]
    for server in SERVERS:
        folder = CACHE / f"{server.name}-{server.version()}" / "licences"
        if folder.exists():
            wrong += [f"{server.name}: {each}" for each in of_folder(folder)]
    return wrong


def main() -> int:
    wrong = [*of_crates(), *of_python(), *of_servers()]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"licences: {len(wrong)} not allowed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Checks `soundpost` with each feature alone, with none and with all, and tests the smallest build and its dependencies."""

import json
import os
import subprocess
import sys

CARGO = os.environ.get("CARGO", "cargo")
PACKAGE = ["--package", "soundpost", "--no-default-features"]
# The smallest build has at most so many crates, and none that runs a C compiler or an async runtime.
MAX_CRATES = 45
FORBIDDEN = {"bindgen", "cc", "cmake", "pkg-config", "tokio"}


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(edges: str) -> set[str]:
    tree = output(CARGO, "tree", *PACKAGE, "--edges", edges, "--prefix", "none", "--format", "{p}")
    return {line.removesuffix(" (*)") for line in tree.splitlines() if line}


def main() -> None:
    packages = json.loads(output(CARGO, "metadata", "--format-version", "1", "--no-deps"))["packages"]
    (features,) = (package["features"] for package in packages if package["name"] == "soundpost")
    for chosen in ["", *sorted(features.keys() - {"default"}), "default", ",".join(features)]:
        print(f"features: {chosen or 'none'}", flush=True)
        command = [CARGO, "check", "--quiet", *PACKAGE, "--features", chosen]
        checked = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if checked.returncode or "warning" in checked.stderr:
            sys.exit(checked.stderr)
    subprocess.run([CARGO, "test", "--quiet", *PACKAGE, "--test", "minimal"], check=True)
    smallest = crates("normal")
    print(f"features: {len(smallest)} crates without features")
    forbidden = {crate for crate in crates("normal,build") if crate.split()[0] in FORBIDDEN}
    if len(smallest) > MAX_CRATES or forbidden:
        sys.exit(
            f"features: at most {MAX_CRATES} crates, and none of {sorted(FORBIDDEN)}: {sorted(forbidden)}"
        )


if __name__ == "__main__":
    main()

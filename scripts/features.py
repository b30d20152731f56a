"""Checks `soundpost` without features, with each feature alone, and with all, and counts the smallest build's crates."""

import json
import os
import subprocess

CARGO = os.environ.get("CARGO", "cargo")
PACKAGE = ["--package", "soundpost", "--no-default-features"]


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    packages = json.loads(output(CARGO, "metadata", "--format-version", "1", "--no-deps"))["packages"]
    (features,) = (package["features"] for package in packages if package["name"] == "soundpost")
    for chosen in ["", *sorted(features.keys() - {"default"}), ",".join(features)]:
        print(f"features: {chosen or 'none'}", flush=True)
        subprocess.run([CARGO, "check", "--quiet", *PACKAGE, "--features", chosen], check=True)
    tree = output(CARGO, "tree", *PACKAGE, "--edges", "normal", "--prefix", "none", "--format", "{p}")
    crates = {line.removesuffix(" (*)") for line in tree.splitlines() if line}
    print(f"features: {len(crates)} crates without features")


if __name__ == "__main__":
    main()

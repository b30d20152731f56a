"""Prints the last results of `cargo bench` as a table: medians, and soundpost's share of each peer's.

python benches/summary.py [TARGET_DIRECTORY]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Group and name of soundpost's measurement, then its peers with the maximum ratio.
COMPARED = [
    ("counter", "soundpost facade", {"metrics-exporter-prometheus": 0.6, "prometheus IntCounter": 1.0}),
    ("counter", "soundpost typed f64", {"prometheus Counter": 1.0}),
    ("histogram", "soundpost facade", {"metrics-exporter-prometheus": 0.6, "prometheus Histogram": 1.0}),
    ("scrape", "soundpost text", {"metrics-exporter-prometheus": 0.5, "prometheus crate": None}),
    ("scrape", "soundpost openmetrics", {"metrics-exporter-prometheus": 0.5, "prometheus crate": None}),
    ("call", "start, finish, 1 label", {}),
    ("call", "with audio and characters", {}),
    ("call", "stage", {}),
    ("call", "chunk", {}),
]


def median(target: Path, group: str, name: str) -> float:
    """Returns the median in nanoseconds."""
    directory = target / "criterion" / group / name
    estimates = json.loads((directory / "new" / "estimates.json").read_text())
    return float(estimates["median"]["point_estimate"])


def shown(nanoseconds: float) -> str:
    """Returns the value with its unit."""
    return f"{nanoseconds:.1f} ns" if nanoseconds < 1e4 else f"{nanoseconds / 1e6:.2f} ms"


def main() -> None:
    """Prints the table."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "target")
    print("| operation | soundpost | peer | peer's time | ratio | bar |")
    print("|---|---:|---|---:|---:|---:|")
    for group, name, peers in COMPARED:
        ours = median(target, group, name)
        if not peers:
            print(f"| {group}: {name} | {shown(ours)} | | | | |")
        for peer, most in peers.items():
            theirs = median(target, group, peer)
            bar = "" if most is None else f"{most}"
            print(
                f"| {group}: {name} | {shown(ours)} | {peer} | {shown(theirs)} | {ours / theirs:.2f} | {bar} |"
            )


if __name__ == "__main__":
    main()

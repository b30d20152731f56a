"""Runs each fuzz target for a while, two at a time. The inputs that reach new code are kept in the user's cache directory.

`FUZZ_SECONDS` sets the time of each target, 60 by default. Arguments name targets; without any, all run.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "tests" / "fuzz"
BUILT = ROOT / "target" / "fuzz"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundpost" / "fuzz"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
MEMORY_MIB = 2048
TIMEOUT_SECONDS = 10


def run(target: str) -> tuple[str, bool, str]:
    """Runs a target. Returns its name, whether it passed, and the end of its output."""
    corpus, seeds, found = CACHE / target, FUZZ / "seeds" / target, BUILT / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    command: list[object] = [
        BUILT / "x86_64-unknown-linux-gnu" / "release" / target,
        corpus,
        *([seeds] if seeds.exists() else []),
        f"-max_total_time={SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-artifact_prefix={found}/{target}-",
        "-print_final_stats=1",
    ]
    # The fixtures' files are in this directory: a target ends without destructors.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        environment = os.environ | {"TMPDIR": folder, "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(
            list(map(str, command)), env=environment, stdout=-1, stderr=subprocess.STDOUT, check=False
        )
    return target, done.returncode == 0, done.stdout.decode(errors="replace")


def main(arguments: list[str]) -> int:
    targets = arguments or sorted(path.stem for path in (FUZZ / "targets").glob("*.rs"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = []
        for target, passed, output in pool.map(run, targets):
            runs = [line.split()[-1] for line in output.splitlines() if "number_of_executed_units" in line]
            print(f"{target}: {''.join(runs) or 'no'} inputs, {len(list((CACHE / target).iterdir()))} kept")
            if not passed:
                failed.append(target)
                print("\n".join(output.splitlines()[-60:]))
    if failed:
        print(f"fuzz: failed: {', '.join(failed)}; the inputs are in {BUILT / 'found'}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

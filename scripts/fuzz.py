"""Runs each fuzz target for a while, two for each processor. The inputs that reach new code are kept in the user's cache directory.

`FUZZ_SECONDS` sets the time of each target, 60 by default. The arguments are the folder of the build, and targets; without
any, all run.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "tests" / "fuzz"
FOUND = ROOT / "target" / "fuzz"  # inputs that fail
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundpost" / "fuzz"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
MEMORY_MIB = 2048
TIMEOUT_SECONDS = 10


def run(built: Path, target: str) -> tuple[str, bool, str]:
    """Runs a target. Returns its name, whether it passed, and the end of its output."""
    corpus, seeds = CACHE / target, FUZZ / "seeds" / target
    for folder in (corpus, FOUND):
        folder.mkdir(parents=True, exist_ok=True)
    command: list[object] = [
        built / "x86_64-unknown-linux-gnu" / "release" / target,
        corpus,
        *([seeds] if seeds.exists() else []),
        f"-max_total_time={SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-artifact_prefix={FOUND}/{target}-",
        "-print_final_stats=1",
        "-seed=1",
    ]
    # The fixtures' files are in this directory: a target ends without destructors.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        environment = os.environ | {"TMPDIR": folder, "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0"}
        done = subprocess.run(
            list(map(str, command)), env=environment, stdout=-1, stderr=subprocess.STDOUT, check=False
        )
    return target, done.returncode == 0, done.stdout.decode(errors="replace")


def main(arguments: list[str]) -> int:
    built, *named = arguments
    targets = named or sorted(path.stem for path in (FUZZ / "targets").glob("*.rs"))
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        failed = []
        for target, passed, output in pool.map(partial(run, Path(built)), targets):
            runs = [line.split()[-1] for line in output.splitlines() if "number_of_executed_units" in line]
            print(f"{target}: {''.join(runs) or 'no'} inputs, {len(list((CACHE / target).iterdir()))} kept")
            if not passed:
                failed.append(target)
                print("\n".join(output.splitlines()[-60:]))
    if failed:
        print(f"fuzz: failed: {', '.join(failed)}; the inputs are in {FOUND}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

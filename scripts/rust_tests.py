"""Runs the Rust tests of the workspace with several test programs at once, because many tests wait. Fails if a test leaves
shared memory.

`cargo test` runs the same tests one program after another. Arguments are passed on to it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CARGO = os.environ.get("CARGO", "cargo")
AT_ONCE = 2 * (os.cpu_count() or 1)
ROOT = Path(__file__).resolve().parent.parent
DURATIONS = (
    ROOT / "target" / "test-durations.json"
)  # of the last run, so that the longest programs start first

SHARED = Path(f"/dev/shm/soundpost-{os.geteuid()}")

# Programs whose tests compare times with bounds. They run alone, after the others.
TIMED = {"soundpost/vitals"}

# The tests of a procedural macro link the compiler's standard library.
LIBRARIES = subprocess.check_output(["rustc", "--print", "target-libdir"], cwd=ROOT, text=True).strip()

Job = tuple[str, list[str], Path]  # name, command, working directory


def jobs(arguments: list[str]) -> list[Job]:
    """Builds the test programs, and returns them with the documentation tests."""
    build = [CARGO, "test", *arguments, "--no-run", "--message-format", "json-render-diagnostics"]
    output = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    found: list[Job] = [("documentation", [CARGO, "test", *arguments, "--doc", "--quiet"], ROOT)]
    for message in map(json.loads, output.splitlines()):
        if message.get("executable") and message["profile"]["test"]:
            folder = Path(message["manifest_path"]).parent
            found.append((f"{folder.name}/{message['target']['name']}", [message["executable"]], folder))
    return found


def run(job: Job) -> tuple[str, float, bool]:
    name, command, folder = job
    environment = os.environ | {
        "CARGO": CARGO,
        "CARGO_MANIFEST_DIR": str(folder),
        "LD_LIBRARY_PATH": LIBRARIES,
    }
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, check=False
    )
    seconds = time.monotonic() - began
    output = done.stdout.decode(errors="replace")
    results = [line for line in output.splitlines() if line.startswith("test result:")]
    print(
        f"{name} ({seconds:.1f} s)", output if done.returncode else "\n".join(results), sep="\n", flush=True
    )
    return name, seconds, done.returncode == 0


def left(directory: str) -> list[str]:
    """Returns the folders in shared memory of services below a directory, and removes them."""
    folders = [folder for folder in SHARED.glob("*/") if (folder / "of").exists()]
    found = [folder for folder in folders if (folder / "of").read_text().startswith(directory)]
    for folder in found:
        shutil.rmtree(folder)
    return [folder.name for folder in found]


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as directory:
        # The directories of this run's services lie in it. Tests of several users reach theirs.
        os.chmod(directory, 0o755)
        os.environ["TMPDIR"] = directory
        failed = run_all(arguments)
        remains = left(directory)
    print(f"left in {SHARED}: {', '.join(remains) or 'nothing'}")
    return bool(failed or remains)


def run_all(arguments: list[str]) -> list[str]:
    last = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    found = sorted(jobs(arguments), key=lambda job: -last.get(job[0], 60.0))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, [job for job in found if job[0] not in TIMED]))
    results += [run(job) for job in found if job[0] in TIMED]
    DURATIONS.write_text(json.dumps({name: round(seconds, 1) for name, seconds, _ in results}, indent=1))
    failed = [name for name, _, passed in results if not passed]
    print(f"{len(results)} test programs, failed: {', '.join(failed) or 'none'}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

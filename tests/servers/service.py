"""The recorder as a process that can be killed and started again, and its journal."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import recorder
from demo.service import poll
from typing_extensions import Self

import soundpost

SERVICE = "indextts2"
SETTLE_SECONDS = 60


@dataclass
class Journal:
    """The numbers that the recorder wrote, by event."""

    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)


class Recorder:
    """Records into sinks inside a `with` block, in one process after another."""

    def __init__(self, folder: Path, sinks: list[str]) -> None:
        self.folder = folder
        self._sinks = sinks
        self._next = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDPOST_")}
        environment |= {
            "SOUNDPOST_DIRECTORY": str(self.folder / "state"),
            "SOUNDPOST_SINKS": ",".join(self._sinks),
            "SOUNDPOST_STRICT": "1",
        }
        with self._journal_file.open("ab") as journal, self._log_file.open("ab") as log:
            journal.write(b"\n")  # ends a line that a killed process may have left unfinished
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, recorder.__file__],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=journal,
                stderr=log,
            )

    def record(self, count: int) -> None:
        """Returns once the calls are recorded. They may not be stored or delivered yet."""
        first, self._next = self._next, self._next + count
        self._send(b"%d %d\n" % (first, count))
        poll(lambda: first in self.journal().done or self._fail_if_ended(), f"{count} calls", SETTLE_SECONDS)

    def kill(self) -> None:
        """Kills the process by SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def kill_while_recording(self) -> None:
        """Lets the process kill itself between or inside calls, so that one of them may be cut short."""
        self._send(b"%d\n" % self._next)
        self._process.wait(SETTLE_SECONDS)
        assert self._process.returncode == -signal.SIGKILL, self.log()
        self._next = max(self.journal().begun) + 1

    def end(self) -> None:
        """Waits for an orderly shutdown."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def journal(self) -> Journal:
        journal = Journal()
        whole, _, _ = self._journal_file.read_text().rpartition("\n")
        for line in whole.splitlines():
            match line.split():
                case ["begun" | "ended" | "done" as what, number]:
                    getattr(journal, what).add(int(number))
        return journal

    def calls(self) -> list[dict[str, Any]]:
        """Returns the stored calls as dicts without the values that are None."""
        records = soundpost.read_calls(service=SERVICE, directory=self.folder / "state")
        rows = [dataclasses.asdict(record) | {"time": record.time.isoformat()} for record in records]
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def stored(self) -> set[str]:
        """Returns the request ids of the stored calls."""
        return {call["request_id"] for call in self.calls()}

    def confirmed(self, chosen: Callable[[int], bool] = lambda _: True) -> set[str]:
        """Returns the request ids of chosen calls whose record call returned. Tests may require these."""
        return {f"req-{number}" for number in self.journal().ended if chosen(number)}

    def attempted(self, chosen: Callable[[int], bool] = lambda _: True) -> set[str]:
        """Returns the same with the calls that a kill cut short. Tests may allow these, and never require them."""
        return {f"req-{number}" for number in self.journal().begun if chosen(number)}

    def log(self) -> str:
        """Returns the end of its log."""
        return self._log_file.read_text(errors="replace")[-8000:]

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _fail_if_ended(self) -> bool:
        if self._process.poll() is None:
            return False
        raise RuntimeError(f"the recorder ended with status {self._process.returncode}:\n{self.log()}")

    @property
    def _journal_file(self) -> Path:
        return self.folder / "journal"

    @property
    def _log_file(self) -> Path:
        return self.folder / "recorder.log"

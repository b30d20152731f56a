"""A receiver that refuses old entries as Loki 3 documents, for tests that no open-source Loki can serve.

It accepts the valid entries of a push in JSON, and answers 400 with the refused ones grouped by second.
"""

import gzip
import json
import threading
import time
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from loki import NANOSECONDS, Entry

OLDEST_SECONDS = 7 * 86_400


class DocumentedLoki:
    def __init__(self) -> None:
        entries: list[Entry] = []

        class Push(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                oldest = int((time.time() - OLDEST_SECONDS) * NANOSECONDS)
                refused: Counter[str] = Counter()
                for stream in json.loads(body)["streams"]:
                    for at, line, *metadata in stream["values"]:
                        if int(at) < oldest:
                            refused[too_old(stream["stream"], int(at), oldest)] += 1
                        else:
                            labels = stream["stream"] | (metadata[0] if metadata else {})
                            entries.append(Entry(int(at), line, labels))
                self.send_response(400 if refused else 204)
                text = "; ".join(f"{n} errors like: {each}" if n > 1 else each for each, n in refused.items())
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.entries = entries
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Push)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "DocumentedLoki":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def too_old(stream: dict[str, str], at: int, oldest: int) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in stream.items())
    times = [datetime.fromtimestamp(each // NANOSECONDS, timezone.utc) for each in (at, oldest)]
    old, limit = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in times)
    return f"entry for stream '{{{labels}}}' has timestamp too old: {old}, oldest acceptable timestamp is: {limit}"

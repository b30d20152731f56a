"""A proxy that requests the text format, whatever format its client requests.

Prometheus prefers OpenMetrics, and before 2.49 it has no setting for that.
"""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

TEXT = "text/plain;version=0.0.4"


class TextOnly:
    """Answers every GET with the text format of `url`."""

    def __init__(self, url: str) -> None:
        class Forward(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                request = urllib.request.Request(url, headers={"Accept": TEXT})
                with urllib.request.urlopen(request, timeout=5) as response:
                    body = response.read()
                    content_type = response.headers["Content-Type"]
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self.target = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "TextOnly":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

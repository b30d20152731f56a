"""`python -m tts_service`: starts the service."""

import argparse
import os

import uvicorn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tts_service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--metrics-port", type=int, default=9464, help="where /metrics is served, on loopback"
    )
    parser.add_argument(
        "--sinks",
        nargs="*",
        metavar="URL",
        help="where calls and log events go, such as loki+http://loki:3100",
    )
    arguments = parser.parse_args()
    # Read by soundpost.init in every worker.
    os.environ["SOUNDPOST_LISTEN"] = f"127.0.0.1:{arguments.metrics_port}"
    if arguments.sinks:
        os.environ["SOUNDPOST_SINKS"] = ",".join(arguments.sinks)
    uvicorn.run(
        "tts_service.app:app",
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        log_level="warning",
    )


if __name__ == "__main__":  # workers import this file again
    main()

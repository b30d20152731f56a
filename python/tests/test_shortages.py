"""A process without address space or file descriptors: it continues, records, and logs the cause."""

from __future__ import annotations

import pytest

SHORT_OF_MEMORY = """
    import resource, sys
    import soundpost

    room = int(sys.argv[1]) << 20
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + room, resource.RLIM_INFINITY))
    try:
        telemetry = soundpost.init(listen="127.0.0.1:0")
    except OSError as error:
        assert room < 16 << 20 and "ulimit -v" in str(error), error
        telemetry = None

    @soundpost.instrument
    def infer(): return 1

    assert infer() == 1
    if telemetry:
        assert 'program_request_total{operation="infer",outcome="ok",status="success"} 1' in telemetry.render()
    print("goes on")
"""

SHORT_OF_DESCRIPTORS = """
    import os, resource, sys, time
    import soundpost

    def until(is_so):
        deadline = time.monotonic() + 10
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.005)

    left = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    files = []
    try:
        while True:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for file in files[len(files) - left :]:
        os.close(file)
    telemetry = soundpost.init(listen="127.0.0.1:0")

    @soundpost.instrument
    def infer(): return 1

    assert infer() == 1
    until(lambda: 'soundpost_errors_total{part="descriptors"}' in telemetry.render())
    for file in files[: len(files) - left]:
        os.close(file)
    assert soundpost.flush(10)
    assert len(soundpost.read_calls()) == 1
    print("goes on", 'soundpost_errors_total{part="descriptors"}' in telemetry.render())
"""


@pytest.mark.parametrize("room", [2, 6, 9, 20, 40, 60, 100, 180, 300, 600])
def test_small_address_space_ends_no_process(python, room):
    ran = python(SHORT_OF_MEMORY, room)
    assert ran.stdout.strip() == "goes on", ran.stderr
    assert room > 300 or "ulimit -v" in ran.stderr or room < 8, ran.stderr


@pytest.mark.parametrize("left", [0, 1, 2, 4, 8])
def test_process_without_descriptors_starts_and_recovers(python, left):
    ran = python(SHORT_OF_DESCRIPTORS, left)
    assert ran.stdout.strip() == "goes on True", ran.stderr

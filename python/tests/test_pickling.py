"""Decorated functions, metrics and measures that are pickled or copied, as Ray, Dask and `multiprocessing` do."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import cloudpickle
import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


class Voices(soundpost.Counter):
    """A metric of a host's own class."""


METRICS = [
    lambda name: soundpost.Counter(name, "d", ["a"], unit="seconds").labels("x"),
    lambda name: soundpost.Gauge(name, "d", ["a", "b"], multiprocess_mode="max").labels(b="1", a="2"),
    lambda name: soundpost.Histogram(name, "d", buckets=[1, 2], exemplars=True),
    lambda name: soundpost.Summary(name, "d", namespace="n", subsystem="s"),
    lambda name: soundpost.Enum(name, "d", ["a"], states={"on": 1, "off": 2}.keys()).labels("x"),
    lambda name: soundpost.Info(name, "d"),
    lambda name: soundpost.Counter(name, "d", {"a"}),
    lambda name: Voices(name, "d", (label for label in ["a"])).labels("x"),
]
COPIES = [
    copy.deepcopy,
    copy.copy,
    lambda given: pickle.loads(pickle.dumps(given)),
    lambda given: cloudpickle.loads(cloudpickle.dumps(given)),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("make", METRICS)
def test_copied_metric_is_the_same_metric(name, make, copied):
    metric = make(name)
    twin = copied(metric)
    assert type(twin) is type(metric)
    assert repr(twin) == repr(metric)


def test_copied_metric_records_to_the_same_series(name, scrape):
    voices = Voices(name, "d", ["a"])
    voices.owner = "host"
    series = voices.labels("x")
    series.inc()
    assert isinstance(series, Voices)
    for copied in COPIES:
        copied(series).inc()
        assert copied(voices).owner == "host"
    assert scrape().get(name + "_total", a="x") == 5


@pytest.mark.parametrize("copied", COPIES)
def test_copied_measure_measures_the_same(copied):
    measure = copied(soundpost.audio(1000, key="wav", sample_width=4, channels=2, silence=True))
    assert measure({"wav": b"12345678" * 500}) == soundpost.Audio(0.5)
    assert copied(soundpost.stage("vocoder")).name == "vocoder"


def test_function_pickled_by_value_is_recorded(name, scrape):
    measure = soundpost.audio(1000)

    @soundpost.instrument(name, labels={"voice": lambda a: a["voice"]}, fields=["text"], audio=measure)
    def function(text, voice="x"):
        return b"12" * 1000

    @soundpost.instrument(name, labels=["voice"], audio=len)
    def generator(text, voice="x"):
        yield text

    @soundpost.stage("inner")
    async def coroutine():
        return 3

    copied = cloudpickle.loads(cloudpickle.dumps([function, generator, coroutine]))
    assert copied[0]("text") == b"12" * 1000
    assert list(copied[1]("text")) == ["text"]
    copied[2]().close()
    assert scrape().outcomes(name, voice="x") == {"ok": 2}


def test_function_of_main_is_recorded_in_a_worker(python):
    ran = python(
        """
        import subprocess
        import sys

        import cloudpickle
        import soundpost

        requests = soundpost.Counter("requests", "d", ["worker"])

        @soundpost.instrument("infer", audio=soundpost.audio(1000))
        def infer(text):
            requests.labels("one").inc()
            return b"12" * 1000

        worker = [
            "import sys, cloudpickle, soundpost",
            "from scrape import Scrape",
            "infer = cloudpickle.loads(sys.stdin.buffer.read())",
            "telemetry = soundpost.init()",
            "infer('text')",
            "scrape = Scrape(telemetry.render(), prefix='program')",
            "print(scrape.outcomes('infer'), scrape.get('requests_total', worker='one'))",
        ]
        pickled = cloudpickle.dumps(infer)
        subprocess.run([sys.executable, "-c", "; ".join(worker)], input=pickled, check=True)
        """
    )
    assert ran.stdout == "{'ok': 1} 1\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_measure_and_metric_reach_a_pool(name, method):
    counter = soundpost.Counter(name, "d", ["a"])
    given = [counter, counter.labels("x"), soundpost.stage("vocoder")]
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(repr, given) == [repr(one) for one in given]

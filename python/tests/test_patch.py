"""`patch` and mocks: functions of other code."""

from __future__ import annotations

from unittest import mock

import pytest

import soundpost

pytestmark = pytest.mark.usefixtures("telemetry")


def test_patch_of_a_class_records_its_methods(name, scrape):
    class Base:
        def inference_sft(self, text, speaker="a"):
            return f"{text} {speaker}"

        @classmethod
        def load(cls, x):
            return (cls, x)

        @staticmethod
        def normalize(text):
            return text

    class Model(Base):
        def inference_sft(self, text, speaker="b"):
            return super().inference_sft(text, speaker)

    untouched = vars(Base)["inference_sft"]
    undos = [
        soundpost.patch(Base, "inference_sft", operation=name),
        soundpost.patch(Model, "inference_sft", operation=name, labels={"speaker": "speaker"}),
        soundpost.patch(Model, "load", operation=name + "_load"),
        soundpost.patch(Base, "normalize", operation=name + "_normalize"),
    ]
    assert Model().inference_sft("x") == "x b"
    assert Model.load(1) == (Model, 1)
    assert Base().normalize("t") == "t"
    after = scrape()
    assert after.outcomes(name, speaker="b") == {"ok": 1}
    assert after.stages(name) == {name: 1}
    assert after.outcomes(name + "_load") == after.outcomes(name + "_normalize") == {"ok": 1}
    for undo in undos:
        undo()
        undo()
    assert vars(Base)["inference_sft"] is untouched
    assert "load" not in vars(Model)
    Model().inference_sft("x")
    assert scrape().outcomes(name) == {"ok": 1}


def test_patch_of_object_and_module_records(name, scrape):
    import textwrap as module

    class Model:
        def infer(self, x):
            return x

    model = Model()
    undo = soundpost.patch(model, "infer", operation=name)
    undo_module = soundpost.patch(module, "dedent", operation=name + "_module")
    assert (model.infer(3), module.dedent(" a")) == (3, "a")
    undo()
    undo_module()
    assert "infer" not in vars(model)
    Model().infer(1)
    assert scrape().outcomes(name) == scrape().outcomes(name + "_module") == {"ok": 1}


def test_undo_keeps_a_later_replacement(name):
    class Model:
        def infer(self):
            return 1

    undo = soundpost.patch(Model, "infer", operation=name)
    Model.infer = other = lambda self: 2
    undo()
    assert Model.infer is other


def test_mock_can_be_instrumented(name, scrape):
    infer = soundpost.instrument(name)(mock.Mock(return_value=3))
    assert infer(1, x=2) == 3
    assert scrape().outcomes(name) == {"ok": 1}

"""The check of hooks against sources of the services, which parses and does not import them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soundpost.integrations import _apply, _registry

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "upstream"))

import signatures

WHOLE = """
from qwen_tts.helpers import Base

class Qwen3TTSModel(Base):
    @no_grad()
    def generate_voice_clone(self, text, language=None, ref_audio=None, ref_text=None, x_vector_only_mode=False,
                             voice_clone_prompt=None, non_streaming_mode=False, **kwargs):
        pass

    def generate_voice_design(self, text, instruct, language=None, non_streaming_mode=True):
        def inner():
            yield
        return inner

    if True:
        def generate_custom_voice(self, text, speaker, language=None, instruct=None, non_streaming_mode=True):
            pass
"""
MODULE = "qwen_tts.inference.qwen3_tts_model:Qwen3TTSModel"


@pytest.fixture
def states(tmp_path):
    """Returns a function that checks a text in the place of a service's module."""

    def check(text):
        path = tmp_path / "clone" / "src" / "qwen_tts" / "inference" / "qwen3_tts_model.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        signatures._parsed.cache_clear()
        found = signatures.check(tmp_path)
        assert found.keys() == {"qwen3_tts"}
        return {hook.removeprefix(MODULE + "."): state for hook, state in found["qwen3_tts"].items()}

    return check


def test_unchanged_functions_are_ok(states):
    found = states(WHOLE)
    assert [found[f"generate_{name}"] for name in ("voice_clone", "voice_design", "custom_voice")] == [
        "ok"
    ] * 3


def test_renamed_methods_and_needed_parameters_are_gone(states):
    found = states(WHOLE.replace("voice_clone(", "clone(").replace("text, instruct,", "text, style,"))
    assert (found["generate_voice_clone"], found["generate_voice_design"]) == ("gone", "gone")
    assert found["create_voice_clone_prompt"] == "gone"
    assert found["generate_custom_voice"] == "ok"


def test_changed_optional_parameters_are_partial(states):
    found = states(WHOLE.replace("instruct, language=None", "instruct, lang=None"))
    assert (found["generate_voice_design"], found["generate_custom_voice"]) == ("partial", "ok")


def test_function_that_became_a_generator_is_partial(states):
    assert states(WHOLE.replace("return inner", "yield inner"))["generate_voice_design"] == "partial"


def test_inherited_and_imported_functions_are_found(tmp_path):
    (tmp_path / "sonic.py").write_text(
        "from src.tools import image_audio_to_tensor, save_videos_grid as grid\n"
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "tools.py").write_text(
        "class Base:\n    async def go(self, *parts, key): yield 1\n\nclass Child(Base): pass\n\n"
        "def image_audio_to_tensor(a, /, b): pass\n"
    )
    sources = signatures.Sources(tmp_path)
    assert sources.signature("src.tools", "Child.go").kind == "async generator"
    assert sources.signature("src.tools", "Child.go").parameters == ("self", "key", "*parts")
    assert sources.signature("sonic", "image_audio_to_tensor").parameters == ("a", "b")
    assert sources.signature("sonic", "missing") is None


def test_table_has_each_hook_with_the_parameters_that_it_needs():
    table = signatures.pinned()
    hooks = {
        (name, hook.target): hook for name in _registry.MODULES for hook in _apply.integration(name).hooks
    }
    assert table.keys() == hooks.keys()
    for key, hook in hooks.items():
        assert set(hook.needs) <= set(table[key].parameters), key

from types import SimpleNamespace

import numpy as np
from fakes import samples, speak, tensor
from TTS_infer_pack.TTS import TTS

PATHS = ("", "GPT_SoVITS")
RATE = 32_000


class Engine:
    def __init__(self):
        self.tts = tts = TTS.__new__(TTS)
        tts.configs = SimpleNamespace(
            use_vocoder=False,
            languages=["en"],
            version="v2",
            device="cpu",
            sampling_rate=RATE,
            hz=50,
            max_sec=54,
            t2s_weights_path="",
            vits_weights_path="",
        )
        tts.precision, tts.is_v2pro = None, False
        tts.prompt_cache = {
            "ref_audio_path": "anna.wav",
            "prompt_semantic": 1,
            "refer_spec": [(tensor([1.0]), None)],
            "aux_ref_audio_paths": [],
            "prompt_text": None,
        }
        tts.text_preprocessor = SimpleNamespace(
            preprocess=lambda text, *_: [parsed(text)] if text else [],
            pre_seg_text=lambda text, *_: [part for part in text.split(".") if part],
            segment_and_extract_feature_for_text=lambda text, *_: tuple(
                parsed(text)[key] for key in ("phones", "bert_features", "norm_text")
            ),
        )
        tts.init_t2s_weights = tts.init_vits_weights = lambda path: load(tts)
        load(tts)

    def request(self, text, **options):
        return {
            "text": text,
            "text_lang": "en",
            "ref_audio_path": "anna.wav",
            "fragment_interval": 0,
            **options,
        }

    def whole(self, text):
        # The service without streaming takes the first item.
        next(self.tts.run(self.request(text)))

    def stream(self, text):
        return self.tts.run(self.request(text, return_fragment=True))


def load(tts):
    model = SimpleNamespace(infer_panel_batch_infer=infer, infer_panel_naive_batched=infer)
    tts.t2s_model = SimpleNamespace(model=model)
    tts.vits_model = SimpleNamespace(upsample_rates=[160], decode=decode)


def parsed(text):
    codes = list(map(ord, text))
    return {"phones": codes, "bert_features": tensor(np.zeros((1, len(text)))), "norm_text": text}


def infer(phones, *_, **__):
    letters = [speak("".join(chr(code) for code in row if code)) for row in phones]
    return [tensor([1] * 10 * count) for count in letters], [10 * count for count in letters]


def decode(semantic, phones, *_, **__):
    return samples(phones.shape[-1], RATE)[None]

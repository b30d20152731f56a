"""A model whose language model runs in a thread of its own, of which exceptions reach only standard error."""

import threading

import numpy as np


class CosyVoiceModel:
    def __init__(self):
        self.tokens = {}

    def llm_job(self, text, prompt_text, llm_prompt_speech_token, llm_embedding, uuid):
        for letter in text:
            if letter == "!":
                raise RuntimeError("CUDA out of memory")
            self.tokens[uuid].append(letter)

    def token2wav(self, token, prompt_token, prompt_feat, embedding, uuid, finalize=False, speed=1.0):
        return np.ones((1, 2205 * len(token)), dtype=np.float32)

    def tts(self, text="", stream=False, speed=1.0, **kwargs):
        uuid = object()
        self.tokens[uuid] = []
        thread = threading.Thread(target=self.llm_job, args=(text, "", None, None, uuid))
        thread.start()
        thread.join()
        yield {"tts_speech": self.token2wav(self.tokens.pop(uuid), None, None, None, uuid, finalize=True)}


class CosyVoice2Model(CosyVoiceModel):
    def token2wav(
        self,
        token,
        prompt_token,
        prompt_feat,
        embedding,
        token_offset,
        uuid,
        stream=False,
        finalize=False,
        speed=1.0,
    ):
        return np.ones((1, 2400 * len(token)), dtype=np.float32)


class CosyVoice3Model(CosyVoice2Model):
    def token2wav(
        self,
        token,
        prompt_token,
        prompt_feat,
        embedding,
        token_offset,
        uuid,
        stream=False,
        finalize=False,
        speed=1.0,
    ):
        return super().token2wav(
            token, prompt_token, prompt_feat, embedding, token_offset, uuid, stream, finalize
        )

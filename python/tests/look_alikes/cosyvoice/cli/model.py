"""A model whose language model runs in a thread of its own, of which exceptions reach only standard error.

A stream polls for tokens until the language model has ended, and for ever if it died.
"""

import threading
import time

import numpy as np


class CosyVoiceModel:
    def __init__(self):
        self.tokens, self.ended = {}, {}

    def llm_job(self, text, prompt_text, llm_prompt_speech_token, llm_embedding, uuid):
        for letter in text:
            if letter == "!":
                raise RuntimeError("CUDA out of memory")
            self.tokens[uuid].append(letter)
        self.ended[uuid] = True

    def token2wav(self, token, prompt_token, prompt_feat, embedding, uuid, finalize=False, speed=1.0):
        return np.ones((1, 2205 * len(token)), dtype=np.float32)

    def tts(self, text="", stream=False, speed=1.0, **kwargs):
        uuid = object()
        self.tokens[uuid], self.ended[uuid] = [], False
        thread = threading.Thread(target=self.llm_job, args=(text, "", None, None, uuid))
        thread.start()
        while stream and not self.ended[uuid]:
            time.sleep(0.001)
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

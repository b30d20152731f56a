"""Samples, rate and spectrogram of sentences that a pool of threads makes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

RATE = 24_000


def preprocess_ref_audio_text(ref_audio_orig, ref_text, show_info=print):
    return ref_audio_orig, ref_text


def infer_process(ref_audio, ref_text, gen_text, model_obj, vocoder, nfe_step=32, speed=1.0):
    batches = [part for part in gen_text.split(".") if part]
    if not batches:
        return None, RATE, None
    return next(infer_batch_process(ref_audio, ref_text, batches, model_obj, vocoder, nfe_step=nfe_step))


def infer_batch_process(
    ref_audio,
    ref_text,
    gen_text_batches,
    model_obj,
    vocoder,
    nfe_step=32,
    speed=1,
    streaming=False,
    chunk_size=2400,
):
    def infer(text):
        return model_obj.sample(ref_audio, [text], 2400 * len(text), steps=nfe_step)[0]

    if streaming:
        for text in gen_text_batches:
            wave = infer(text)
            for start in range(0, len(wave), chunk_size):
                yield wave[start : start + chunk_size], RATE
        return
    with ThreadPoolExecutor() as executor:
        waves = [future.result() for future in [executor.submit(infer, text) for text in gen_text_batches]]
    yield np.concatenate(waves), RATE, np.ones((100, 90_000))

from f5_tts.infer.utils_infer import infer_process, preprocess_ref_audio_text
from f5_tts.model.cfm import CFM


class F5TTS:
    def __init__(self):
        self.ema_model, self.vocoder = CFM(), None

    def infer(self, ref_file, ref_text, gen_text, show_info=print, nfe_step=32, speed=1.0, seed=None):
        ref_file, ref_text = preprocess_ref_audio_text(ref_file, ref_text, show_info=show_info)
        return infer_process(ref_file, ref_text, gen_text, self.ema_model, self.vocoder, nfe_step, speed)

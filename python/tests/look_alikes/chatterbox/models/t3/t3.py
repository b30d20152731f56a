class T3:
    def inference(self, *, t3_cond, text_tokens, max_new_tokens=None, temperature=0.8):
        if "!" in text_tokens:
            raise RuntimeError("CUDA out of memory")
        return text_tokens

    def inference_turbo(self, t3_cond, text_tokens, temperature=0.8, top_k=1000):
        return text_tokens

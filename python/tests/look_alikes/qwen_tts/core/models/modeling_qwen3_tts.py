class Qwen3TTSForConditionalGeneration:
    def generate(self, input_ids=None, languages=None, non_streaming_mode=True, **kwargs):
        if any("!" in ids for ids in input_ids):
            raise RuntimeError("CUDA out of memory")
        return input_ids, None

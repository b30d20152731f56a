class Text2SemanticDecoder:
    def infer_panel_batch_infer(self, x, x_lens, prompts, bert_feature):
        return x

    def infer_panel_naive_batched(self, x, x_lens, prompts, bert_feature):
        return x

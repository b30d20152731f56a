class TextPreprocessor:
    def preprocess(self, text, lang, text_split_method, version="v2"):
        return [part for part in text.split(".") if part]

class VQManager:
    def encode_reference(self, reference_audio, enable_reference_audio):
        return reference_audio

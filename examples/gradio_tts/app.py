"""A Gradio app that speaks, with a queue, a stream of sentences and a button that stops it."""

import gradio as gr
import numpy as np
from speech import engine, synthesize, synthesize_stream


def whole(text: str, voice: str) -> tuple[int, np.ndarray] | None:
    rate, samples = synthesize(text, voice)
    return (rate, samples) if samples.size else None


with gr.Blocks(title="eSpeak NG") as app:
    text = gr.Textbox("Good morning.", label="Text")
    voice = gr.Dropdown(sorted(engine.voices), value="en-us", label="Voice", allow_custom_value=True)
    with gr.Row():
        speak, stream, stop = gr.Button("Speak"), gr.Button("Stream"), gr.Button("Stop")
    audio = gr.Audio(label="Speech", autoplay=True)
    speak.click(whole, [text, voice], audio, api_name="synthesize")
    streaming = stream.click(synthesize_stream, [text, voice], audio, api_name="synthesize_stream")
    stop.click(None, cancels=[streaming])

if __name__ == "__main__":
    app.queue(default_concurrency_limit=3).launch()

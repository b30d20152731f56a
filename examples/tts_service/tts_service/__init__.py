"""A text-to-speech service on eSpeak NG, instrumented with Auscult."""

__version__ = "1.0"

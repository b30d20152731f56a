"""A text-to-speech service on eSpeak NG, instrumented with Soundpost."""

__version__ = "1.0"

from .core import Chat  # noqa: F401

from .core import VoxCPM  # noqa: F401

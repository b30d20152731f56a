//! A `libnvidia-ml.so.1` for tests, scripted by a file.

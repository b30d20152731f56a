"""The demonstration: real requests to the real service, and its records."""

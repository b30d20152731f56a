"""The demonstration: real requests to the real service, and a look at what was recorded."""

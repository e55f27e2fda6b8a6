"""The library: a handle, and two functions."""

"""The special and default values of options."""

ALL_LAYERS = 999
"""As `ngl`: every layer on the GPU."""

AUTOMATIC_LAYERS = -1
"""As `ngl`: the server decides how many layers are on the GPU."""

DEFAULT_CONTEXT = 2048
"""Tokens of context, if neither the user nor the model's author has chosen."""

DEFAULT_TEMPERATURE = 0.8
"""The temperature, if neither the user nor the model's author has chosen."""

LOOPBACK = "127.0.0.1"
"""As `host`: only this machine can connect."""

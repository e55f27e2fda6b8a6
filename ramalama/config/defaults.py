"""Values of options that have a meaning of their own."""

ALL_LAYERS = 999
"""As `ngl`: every layer on the GPU."""

AUTOMATIC_LAYERS = -1
"""As `ngl`: as many layers on the GPU as the server finds right."""

DEFAULT_CONTEXT = 2048
"""Tokens, where neither the user nor the model's author has chosen."""

DEFAULT_TEMPERATURE = 0.8
"""Where neither the user nor the model's author has chosen."""

LOOPBACK = "127.0.0.1"
"""As `host`: this machine alone."""

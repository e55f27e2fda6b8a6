"""The special and default values of options."""

ALL_LAYERS = 999
"""As `ngl`: every layer on the GPU."""

AUTOMATIC_LAYERS = -1
"""As `ngl`: the server decides how many layers are on the GPU."""

DEFAULT_CONTEXT = 2048
"""Tokens of context, if neither the user nor the model's author has chosen."""

DEFAULT_TEMPERATURE = 0.8
"""The temperature, if neither the user nor the model's author has chosen."""

DEFAULT_EMBEDDING_MODEL = "ollama://nomic-embed-text"
"""The embedding model, if the user names none."""

LOOPBACK = "127.0.0.1"
"""As `host`: only this machine can connect."""

NO_EMBEDDING_MODEL = "none"
"""What a user writes for no embedding model: only words are searched."""

"""Get ready for a chat while something else has to be waited for."""

from importlib import import_module


def preload() -> None:
    """Import what a chat needs, the OpenAI SDK above all.

    Meant for a thread, while the server's container starts. It may run at any time and more than
    once: whoever imports these modules meanwhile waits for them, as Python's import lock has it.
    """
    for module in ("client", "session"):
        import_module(f"ramalama_chat.{module}")

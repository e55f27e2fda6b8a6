"""Get ready for a chat while something else has to be waited for."""


def preload() -> None:
    """Import what a chat needs, the OpenAI SDK above all.

    Meant for a thread, while the server's container starts. It may run at any time and more than
    once: whoever imports these modules meanwhile waits for them, as Python's import lock has it.
    """
    from ramalama_chat.client.client import open_client  # noqa: PLC0415 - late, that is the point
    from ramalama_chat.client.endpoint import UnixEndpoint  # noqa: PLC0415
    from ramalama_chat.output import answer  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]
    from ramalama_chat.session import session  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]

    open_client(UnixEndpoint("")).close()  # httpx2 imports the rest of itself with its first client

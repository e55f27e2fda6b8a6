"""Import the modules of a chat while something else is still starting."""


def preload() -> None:
    """Import the modules that a chat needs, above all the OpenAI SDK.

    Call it in a thread while the server's container starts. It may run at any time and more than
    once: other threads that import these modules meanwhile wait, because of Python's import lock.
    """
    from ramalama_chat.client.client import open_client  # noqa: PLC0415 - late, that is the point
    from ramalama_chat.client.endpoint import UnixEndpoint  # noqa: PLC0415
    from ramalama_chat.output import answer  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]
    from ramalama_chat.session import session  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]

    open_client(UnixEndpoint("")).close()  # httpx2 imports the rest of itself with its first client

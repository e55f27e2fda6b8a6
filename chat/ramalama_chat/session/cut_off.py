"""End the wait for an answer at a point in time, in a thread that waits for bytes."""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Timer

import httpx2


@contextmanager
def cut_off(response: httpx2.Response, after: float) -> Generator[None]:
    """Break the connection of *response* if the block takes more than *after* seconds.

    The timeout of an HTTP client is for each wait: a server that sends a byte now and then is read
    for ever.
    """
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None

    def break_off() -> None:
        if isinstance(connection, socket.socket):
            with suppress(OSError):  # it has ended meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    timer = Timer(after, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()

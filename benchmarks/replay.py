"""A server at a UNIX socket that answers every request with a recorded stream: SOCKET FILE.

Each event goes out in an HTTP chunk of its own and by a call of its own, as llama-server does it,
but without a model's pauses. Whoever listens is what there is to wait for.
"""

from __future__ import annotations

import socketserver
import sys
from contextlib import suppress
from pathlib import Path

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END_OF_EVENT = b"\n\n"


class _Replay(socketserver.StreamRequestHandler):
    parts: tuple[bytes, ...]

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client may hang up after the last event
            while self.rfile.readline():  # the request line
                self._skip_request()
                for part in self.parts:
                    self.wfile.write(part)

    def _skip_request(self) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)


def main(path: str, recording: str) -> None:
    """Serve until killed; a line on stdout says when."""
    events = Path(recording).read_bytes().split(_END_OF_EVENT)[:-1]
    chunks = [b"%x\r\n%b%b\r\n" % (len(e) + 2, e, _END_OF_EVENT) for e in events]

    class Replay(_Replay):
        parts = (_HEAD, *chunks, b"0\r\n\r\n")

    with socketserver.ThreadingUnixStreamServer(path, Replay) as server:
        print("serving", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

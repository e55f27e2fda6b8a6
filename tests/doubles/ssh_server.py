"""An ssh service in this process, which needs no root: it may ask for a password and a code."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path


class _Server(asyncssh.SSHServer):
    def __init__(self, *, password: str | None, code: str | None) -> None:
        self._password = password
        self._code = code

    def password_auth_supported(self) -> bool:
        return self._password is not None

    def validate_password(self, username: str, password: str) -> bool:
        del username
        return password == self._password

    def kbdint_auth_supported(self) -> bool:
        return self._code is not None

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        del username, lang, submethods
        return "", "", "", [("Verification\x1b[2J code:", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        del username
        return list(responses) == [self._code]

    def unix_connection_requested(self, dest_path: str) -> bool:
        del dest_path
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        del dest_host, dest_port, orig_host, orig_port
        return True


@contextmanager
def serve_ssh(
    *host_keys: Path | tuple[Path, Path],
    authorized: Path | None = None,
    password: str | None = None,
    code: str | None = None,
    port: int = 0,
    files: type[asyncssh.SFTPServer] = asyncssh.SFTPServer,
) -> Generator[int]:
    """Serve on a port of 127.0.0.1, which is yielded; a host key may have a certificate.

    *files* answers what is asked by SFTP.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Callable[[], object]) -> object:
        async def call() -> object:
            result = work()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(call(), loop).result(10)

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=lambda: _Server(password=password, code=code),
            server_host_keys=[
                str(k) if not isinstance(k, tuple) else tuple(map(str, k)) for k in host_keys
            ],
            authorized_client_keys=str(authorized) if authorized else None,
            sftp_factory=files,
        )

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_default_executor()

    try:
        acceptor = run(listen)
        assert isinstance(acceptor, asyncssh.SSHAcceptor)
        yield acceptor.get_port()
        run(acceptor.close)
        run(end)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

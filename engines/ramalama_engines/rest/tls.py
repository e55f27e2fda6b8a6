"""The way to an engine through TCP, with TLS if there are files for it.

This module imports `ssl`, so it is imported for a ``tcp://`` address only. Neither proxies nor
REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE have an effect: an engine's address is not a web page's.
"""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.rest.tls_failures import (
    EncryptedKeyError,
    alert,
    handshake_failure,
    no_answer,
    tcp_failure,
    unreadable_files,
)
from ramalama_values.tcp import LIVELY_TCP

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama_engines.address import EngineAddress, TlsFiles

_log = logging.getLogger(__name__)
_PORT, _TLS_PORT = 2375, 2376  # IANA: docker, docker-s
_LONGEST_CONNECT: Final = 10.0  # seconds, for TCP and then again for the TLS handshake
# No delay for small messages.
_TCP_OPTIONS: Final = {"TCP_NODELAY": 1, **LIVELY_TCP}


class TlsRoute:
    """The way to the engine at ``tcp://host[:port]``, with TLS if *address* has files; a `Route`.

    The port is 2376 unless the address names one, and 2375 without TLS.

    Raises:
        EngineUnavailable: the address is malformed, or has a password. The message is only the
            reason.
    """

    def __init__(self, address: EngineAddress) -> None:
        self._url = address.url
        self._files = address.tls
        self._host, self._port = _endpoint(address)

    @property
    def url(self) -> str:
        """The address, as it was given."""
        return self._url

    @property
    def socket_path(self) -> None:
        """No path: the engine has no socket on this host."""
        return

    @property
    def ssh(self) -> None:
        """No host: the way does not lead over ssh."""
        return

    def dial(self, timeout: float | None) -> socket.socket:
        """Return a new connection, whose operations time out after *timeout* seconds.

        Raises:
            EngineUnavailable: no connection is possible. The message is only the reason.
        """
        context = self._context if self._files else None  # first: its files may be unreadable
        limit = _LONGEST_CONNECT if timeout is None else min(timeout, _LONGEST_CONNECT)
        connection = self._connect(limit)
        try:
            if context is not None and self._files is not None:
                connection = self._wrap(context, self._files, connection)
            connection.settimeout(timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Do nothing: each connection belongs to its caller."""

    def _connect(self, limit: float) -> socket.socket:
        try:
            connection = socket.create_connection((self._host, self._port), timeout=limit)
        except (OSError, UnicodeError) as exc:  # UnicodeError: a part of the name is too long
            raise tcp_failure(exc, host=self._host, limit=limit) from exc
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return connection

    def _wrap(
        self, context: ssl.SSLContext, files: TlsFiles, connection: socket.socket
    ) -> ssl.SSLSocket:
        name = self._host.partition("%")[0]  # without the zone of an IPv6 address
        try:
            wire = context.wrap_socket(connection, server_hostname=name)
        except (OSError, ValueError) as exc:  # ValueError: the host cannot be a name for TLS
            raise handshake_failure(exc, files, host=self._host) from exc
        if isinstance(wire, _Wire):
            wire.files = files
        return wire

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """The settings for TLS, read from the files at the first connection."""
        files = self._files
        assert files is not None  # noqa: S101 (asked for by `dial` alone)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False  # as in both command lines
        context.sslsocket_class = _Wire
        if not files.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            _log.warning("the certificate of the engine at %s is not verified", self._url)
        with unreadable_files(files):
            if files.ca is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(cafile=files.ca)
                # Any certificate in the file is trusted, as both command lines do.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if files.cert is not None:
                context.load_cert_chain(files.cert, files.key, password=_no_password)
        return context


class _Wire(ssl.SSLSocket):
    """A TLS connection that says why the engine ended it.

    With TLS 1.3, an engine refuses the user's certificate after the handshake: the reason arrives
    when the client reads, or has already failed to write.
    """

    files: TlsFiles
    has_answered = False

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read as the base does; raise EngineUnavailable for an alert."""
        with _alerts(self.files):
            piece = super().recv(buflen, flags)
        self._note(len(piece))
        return piece

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:  # noqa: ANN401 (the base's)
        """Read as the base does; raise EngineUnavailable for an alert."""
        with _alerts(self.files):
            count = super().recv_into(buffer, nbytes, flags)
        self._note(count)
        return count

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401 (the base's)
        """Send as the base does; raise EngineUnavailable for an alert that has arrived."""
        with _alerts(self.files):
            try:
                return super().send(data, flags)
            except (ConnectionError, ssl.SSLEOFError):
                super().recv(1)  # the alert, if there is one
                raise

    def _note(self, count: int) -> None:
        """Raise EngineUnavailable if the connection has ended before the first byte."""
        if not (count or self.has_answered):
            raise no_answer(self.files)
        self.has_answered = True


@contextmanager
def _alerts(files: TlsFiles) -> Generator[None]:
    try:
        yield
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        raise
    except ssl.SSLError as exc:
        raise alert(exc, files) from exc


def _no_password() -> str:
    """Refuse to ask for the password of a key, which OpenSSL would do on the terminal."""
    raise EncryptedKeyError


def _endpoint(address: EngineAddress) -> tuple[str, int]:
    """Return host and port of *address*."""
    try:
        parts = urlsplit(address.url)
        host, port = unquote(parts.hostname or "localhost"), parts.port
    except ValueError as exc:
        msg = f"the address is not tcp://host:port ({exc})"
        raise EngineUnavailable(msg) from None
    if parts.password is not None or parts.username is not None:
        msg = "the address has a user or a password, which tcp:// does not support"
        raise EngineUnavailable(msg)
    is_plain = parts.netloc and parts.path in ("", "/") and not parts.query and not parts.fragment
    if parts.scheme != "tcp" or not is_plain or not host.isprintable() or " " in host:
        msg = "the address is not tcp://host:port"
        raise EngineUnavailable(msg)
    return host, port or (_TLS_PORT if address.tls else _PORT)

"""Say in one line why there is no connection through TCP and TLS.

The messages are only the reason: the caller knows the address and where it came from.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from contextlib import contextmanager
from stat import S_ISREG
from typing import TYPE_CHECKING

from ramalama_engines.errors import EngineUnavailable
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama_engines.address import TlsFiles

# The codes of the manual page X509_STORE_CTX_get_error, from OpenSSL.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_WRONG_NAME = frozenset({62, 64})

# What OpenSSL says when it gets something that is not TLS, such as "HTTP/1.1 400 Bad Request".
_NOT_TLS = r"WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE|TOO_LONG"
_OLD_TLS = r"UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION"
# The alerts about the client's certificate: RFC 8446, 6.2.
_REFUSED = r"ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_\w+)"


class EncryptedKeyError(Exception):
    """The user's key has a password."""


def tcp_failure(exc: Exception, *, host: str, limit: float) -> EngineUnavailable:
    """Return the error for a connection to *host* that failed, at the latest after *limit* s."""
    if isinstance(exc, TimeoutError):
        return EngineUnavailable(f"no answer within {limit:g} seconds; is the host on?")
    if isinstance(exc, (socket.gaierror, UnicodeError)):
        return EngineUnavailable(f"the host {one_line(host)} cannot be found ({_words(exc)})")
    match exc.errno if isinstance(exc, OSError) else None:
        case errno.ECONNREFUSED:
            reason = "no process listens there; is the service started, and the port right?"
        case errno.EHOSTUNREACH | errno.ENETUNREACH:
            reason = "the host cannot be reached from here; is it on, and the network up?"
        case _:
            reason = _words(exc)
    return EngineUnavailable(reason)


def handshake_failure(exc: Exception, files: TlsFiles, *, host: str) -> EngineUnavailable:
    """Return the error for a TLS handshake with *host* that failed."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return EngineUnavailable(_unverified(exc, files, host))
    if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
        return alert(exc, files)
    if isinstance(exc, TimeoutError):
        return EngineUnavailable("no answer in the TLS handshake; does the service use TLS?")
    msg = f"the service ended the TLS handshake ({_words(exc)}); does it use TLS?"
    return EngineUnavailable(msg)


def alert(exc: ssl.SSLError, files: TlsFiles) -> EngineUnavailable:
    """Return the error for a TLS connection that the engine has ended, or that makes no sense."""
    reason = exc.reason or ""
    if re.search(_NOT_TLS, reason):
        msg = "the service there does not use TLS; is the port right? With TLS it is often 2376"
    elif re.search(_OLD_TLS, reason):
        msg = "the service there has no TLS 1.2 or later"
    elif re.search(_REFUSED, reason) or (files.cert is None and "HANDSHAKE_FAILURE" in reason):
        msg = _refused(reason, files)
    else:
        msg = f"the TLS connection failed ({_words(exc)})"
    return EngineUnavailable(msg)


def no_answer(files: TlsFiles) -> EngineUnavailable:
    """Return the error for a TLS connection that the engine has ended before it answered."""
    msg = "the service ended the connection before it answered"
    if files.cert is not None:
        msg += f"; does it accept the certificate {one_line(str(files.cert))}?"
    return EngineUnavailable(msg)


@contextmanager
def unreadable_files(files: TlsFiles) -> Generator[None]:
    """Name the file of *files* that the block cannot use.

    Raises:
        EngineUnavailable: a file is missing, unreadable or malformed, or two do not match.
    """
    for path in (files.ca, files.cert, files.key):
        if path is not None:
            _try_to_read(path)
    try:
        yield
    except EncryptedKeyError:
        msg = (
            f"the key {one_line(str(files.key or files.cert))} has a password; write one without: "
            "openssl pkey -in KEY -out NEW"
        )
        raise EngineUnavailable(msg) from None
    except ssl.SSLError as exc:
        raise EngineUnavailable(_malformed(exc, files)) from exc


def _try_to_read(path: Path) -> None:
    try:
        if not S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            msg = f"{one_line(str(path))} is not a regular file"
            raise EngineUnavailable(msg)
        with path.open("rb") as file:
            file.read(1)
    except OSError as exc:
        msg = f"cannot read {one_line(str(path))}: {_words(exc)}"
        raise EngineUnavailable(msg) from exc


def _malformed(exc: ssl.SSLError, files: TlsFiles) -> str:
    cert, key = (one_line(str(path)) for path in (files.cert, files.key or files.cert))
    if exc.reason == "KEY_VALUES_MISMATCH":
        return f"the key {key} does not belong to the certificate {cert}"
    if exc.reason == "NO_CERTIFICATE_OR_CRL_FOUND" or files.cert is None:
        return f"{one_line(str(files.ca))} has no certificate in PEM format"
    files_named = cert if cert == key else f"{cert} or {key}"
    return f"there is no certificate with its key, in PEM format, in {files_named}"


def _unverified(exc: ssl.SSLCertVerificationError, files: TlsFiles, host: str) -> str:
    code = exc.verify_code
    if code == _EXPIRED:
        return "the certificate of the engine has expired; renew it on the engine's host"
    if code == _NOT_YET_VALID:
        return "the certificate of the engine is not valid yet; is the clock of this host right?"
    if code in _WRONG_NAME:
        return f"the certificate of the engine is not for {one_line(host)}"
    if code in _UNKNOWN_AUTHORITY:
        known = "the system" if files.ca is None else one_line(str(files.ca))
        return f"{known} has no authority that has signed the certificate of the engine"
    return f"the certificate of the engine cannot be verified: {one_line(exc.verify_message)}"


def _refused(reason: str, files: TlsFiles) -> str:
    if files.cert is None:
        return "the engine requires a certificate of its users, and none is set for this address"
    cert = one_line(str(files.cert))
    if reason.endswith("ALERT_CERTIFICATE_EXPIRED"):
        return f"the engine refuses the certificate {cert}: it has expired"
    if reason.endswith("ALERT_UNKNOWN_CA"):
        return f"the engine refuses the certificate {cert}: it does not know who has signed it"
    return f"the engine refuses the certificate {cert}: has it expired, or another authority?"


def _words(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return one_line((exc.reason or str(exc)).replace("_", " ").lower())
    if isinstance(exc, OSError) and exc.strerror:
        return one_line(exc.strerror)
    return one_line(str(exc)) or type(exc).__name__

"""Import asyncssh without two things that take time and bring nothing: 95 ms instead of 150.

* It looks for liboqs (post-quantum key exchange) and for libnettle (the MAC umac) with
  `ctypes.util.find_library`, which runs ldconfig, gcc and ld: 35 ms, and children of ours. For the
  time of the import, `libraries.find_library` looks into the cache of ld.so instead.
* Its X.509 certificates need pyOpenSSL, which it asks for after cryptography.x509: 15 ms. Without
  pyOpenSSL there are none anyway, so it is told so at once.

asyncssh has all its names as after an ordinary import. If the application has imported it already,
it stays as it is.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ramalama_engines.ssh.libraries import find_library, knows_libraries

if TYPE_CHECKING:
    from collections.abc import Generator

_X509: Final = "asyncssh.crypto.x509"


def import_asyncssh() -> None:
    """Import asyncssh, so that later imports find it.

    Raises:
        ImportError: as an ordinary import.
    """
    if "asyncssh" not in sys.modules:
        with _no_x509(), _nothing_is_run():
            import_module("asyncssh")


@contextlib.contextmanager
def _no_x509() -> Generator[None]:
    """Let the import of the module fail at once if it would fail at its end."""
    if _X509 in sys.modules or find_spec("OpenSSL") is not None:
        yield
        return
    modules: dict[str, object] = sys.modules  # type: ignore[assignment] # None: importlib's own word for this
    modules[_X509] = None
    try:
        yield
    finally:
        del modules[_X509]


@contextlib.contextmanager
def _nothing_is_run() -> Generator[None]:
    if not knows_libraries():
        yield
        return
    ordinary = ctypes.util.find_library
    ctypes.util.find_library = find_library
    try:
        yield
    finally:
        ctypes.util.find_library = ordinary

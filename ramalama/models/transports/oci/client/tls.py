"""Which certificates a registry may show; containers-certs.d(5).

The first of these directories that exists is used, HOST being as in the reference, ``host:port``:

    ~/.config/containers/certs.d/HOST    podman's, the user's own
    /etc/containers/certs.d/HOST         podman's
    /etc/docker/certs.d/HOST             docker's

In it, ``*.crt`` are authorities that are trusted beside the machine's, ``NAME.cert`` and
``NAME.key`` what we show if the registry asks who we are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from ramalama.errors import ModelPullError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama_engines.user import InvokingUser


def make_tls(domain: str, user: InvokingUser, *, verify: bool = True) -> ssl.SSLContext:
    """Return how to meet the registry *domain*; without *verify*, any certificate will do.

    Raises:
        ModelPullError: a file of the user's or the machine's for this registry is broken.
    """
    context = httpx2.create_ssl_context(verify=verify)
    for directory in _directories(domain, user):
        try:
            files = sorted(directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            msg = f"{directory} cannot be read: {exc.strerror}"
            raise ModelPullError(msg) from exc
        _load(context, files)
        break
    return context


def _directories(domain: str, user: InvokingUser) -> Sequence[Path]:
    return (
        user.config_dir / "containers/certs.d" / domain,
        user.root / "etc/containers/certs.d" / domain,
        user.root / "etc/docker/certs.d" / domain,
    )


def _load(context: ssl.SSLContext, files: Sequence[Path]) -> None:
    for file in files:
        try:
            if file.suffix == ".crt":
                context.load_verify_locations(file)
            elif file.suffix == ".cert":
                context.load_cert_chain(file, file.with_suffix(".key"), password=_no_password)
        except OSError as exc:  # which all errors of the ssl module are
            msg = f"{file} cannot be used as a certificate: {exc.strerror or exc}"
            raise ModelPullError(msg) from exc


def _no_password() -> str:
    """Decline; without this, OpenSSL itself asks on the terminal, and waits."""
    return ""

"""Load the TLS certificates for a registry; containers-certs.d(5).

The first of these directories that exists is used; HOST is as in the reference, ``host:port``:

    ~/.config/containers/certs.d/HOST    podman's, the user's own
    /etc/containers/certs.d/HOST         podman's
    /etc/docker/certs.d/HOST             docker's

In it, ``*.crt`` are additional trusted authorities; ``NAME.cert`` and ``NAME.key`` are a client
certificate, used if the registry asks for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.models.http.environment import trusted_authorities

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from ramalama_engines.user import InvokingUser


def make_tls(domain: str, user: InvokingUser, *, verify: bool = True) -> ssl.SSLContext:
    """Return the TLS settings for the registry *domain*; *verify* False accepts any certificate.

    Raises:
        ModelPullError: a certificate file for this registry is not valid.
        ConfigError: SSL_CERT_FILE does not name certificates.
    """
    context = trusted_authorities(verify=verify)
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
        except OSError as exc:  # including all errors of the ssl module
            msg = f"{file} cannot be used as a certificate: {exc.strerror or exc}"
            raise ModelPullError(msg) from exc


def _no_password() -> str:
    """Return no password; without this function, OpenSSL would ask on the terminal and block."""
    return ""

"""The user and the options of a call, for transports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from ramalama.models.http.retry import RetryPolicy
    from ramalama_engines.user import InvokingUser


def _ignore_retry(reason: str, seconds: float) -> None:
    """Do nothing before a retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportContext:
    """The user, and how servers may be used.

    Attributes:
        user: the user, with the environment, which holds tokens and the addresses of mirrors.
        tls_verify: False accepts any certificate of an OCI registry, and a registry without TLS.
        authfile: the file with credentials for OCI registries, instead of the default files.
        offline: do not use the network.
        on_retry: called before each retry with the reason and the pause in seconds.
    """

    user: InvokingUser
    tls_verify: bool = True
    authfile: Path | None = None
    offline: bool = False
    on_retry: Callable[[str, float], None] = field(default=_ignore_retry, repr=False)

    @property
    def retry_policy(self) -> RetryPolicy:
        """How often a server is asked again."""
        from ramalama.models.http.retry import RetryPolicy  # noqa: PLC0415 (it imports httpx2)

        return RetryPolicy(tell=self.on_retry)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables."""
        return self.user.env

    @property
    def home(self) -> Path:
        """The user's home directory."""
        return self.user.home


class OpenClient(Protocol):
    """Opens a client, which is closed with the transport; see `open_http`."""

    def __call__(self, *, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
        """Return a new client."""
        ...

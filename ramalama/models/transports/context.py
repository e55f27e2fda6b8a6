"""What transports need to know of the user and of this call."""

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


def _tell_nobody(reason: str, seconds: float) -> None:
    """Let nobody know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportContext:
    """Who asks, and how servers may be asked.

    Attributes:
        user: has the environment, which holds tokens and the addresses of mirrors.
        tls_verify: False takes any certificate of an OCI registry, and one without TLS.
        authfile: credentials for OCI registries, instead of all the usual places.
        offline: ask nobody.
        on_retry: is told why a server is asked again, and after how many seconds.
    """

    user: InvokingUser
    tls_verify: bool = True
    authfile: Path | None = None
    offline: bool = False
    on_retry: Callable[[str, float], None] = field(default=_tell_nobody, repr=False)

    @property
    def retry_policy(self) -> RetryPolicy:
        """How often a server is asked again."""
        from ramalama.models.http.retry import RetryPolicy  # noqa: PLC0415 (it imports httpx2)

        return RetryPolicy(tell=self.on_retry)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment."""
        return self.user.env

    @property
    def home(self) -> Path:
        """The user's directory."""
        return self.user.home


class OpenClient(Protocol):
    """Opens a client that is closed with the transport; see `open_http`."""

    def __call__(self, *, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
        """Open one."""
        ...

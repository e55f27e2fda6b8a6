"""Connect as the environment says: through its proxies, and with its certificate authorities.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY   http://, https://, socks5:// or socks5h://, also in lower
                                         case; socks needs the package socksio
    NO_PROXY                             hosts that are reached without a proxy
    SSL_CERT_FILE, SSL_CERT_DIR          certificate authorities, instead of the usual ones

A proxy that cannot be used is an error only when it is needed. No message has its address, which
may contain a password.
"""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx2

from ramalama.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("http", "https", "socks5", "socks5h")
_LARGEST_PORT = 65535


def trusted_authorities(*, verify: bool = True) -> ssl.SSLContext:
    """Return the TLS settings of a client; with *verify* False, any certificate is accepted.

    Raises:
        ConfigError: SSL_CERT_FILE or SSL_CERT_DIR does not name certificates.
    """
    try:
        return httpx2.create_ssl_context(verify=verify)
    except OSError as exc:  # also an ssl.SSLError, which has an unreadable text
        variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        if not os.environ.get(variable):
            raise
        reason = "no certificate in it" if isinstance(exc, ssl.SSLError) else exc.strerror
        msg = f"{variable}: {os.environ[variable]} cannot be used: {reason}"
        raise ConfigError(msg, hint="it must be a file of certificates in PEM format") from None


def transports(context: ssl.SSLContext) -> Mapping[str, httpx2.BaseTransport] | None:
    """Return how each kind of URL is reached, by its prefix; None if httpx2 knows it by itself.

    httpx2 would refuse all requests if one variable is invalid, even requests without a proxy.
    """
    proxies = {scheme: url for scheme, url in getproxies().items() if scheme in {*_SCHEMES, "all"}}
    if not any(_problem(scheme, url) for scheme, url in proxies.items()):
        return None
    return {
        f"{scheme}://": _Proxied(name, proxies[name], context)
        for scheme in ("http", "https")
        if (name := scheme if scheme in proxies else "all") in proxies
    }


class _Proxied(httpx2.BaseTransport):
    """Sends requests through the proxy of a variable, except to the hosts of NO_PROXY."""

    def __init__(self, scheme: str, url: str, context: ssl.SSLContext) -> None:
        self._problem = _problem(scheme, url)
        proxy = None if self._problem else _with_scheme(url)
        self._direct = httpx2.HTTPTransport(verify=context)
        self._proxied = httpx2.HTTPTransport(verify=context, proxy=proxy)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if proxy_bypass(request.url.host):
            return self._direct.handle_request(request)
        if self._problem is not None:
            raise self._problem
        return self._proxied.handle_request(request)

    def close(self) -> None:
        self._direct.close()
        self._proxied.close()


def _problem(scheme: str, url: str) -> ConfigError | None:
    """Return why the proxy for the URLs of *scheme* cannot be used; None if it can."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    name = next((name for name in names if os.environ.get(name)), names[-1])
    try:
        proxy = httpx2.URL(_with_scheme(url))
    except httpx2.InvalidURL:
        return ConfigError(f"{name} is not the address of a proxy")
    if proxy.scheme not in _SCHEMES:
        msg = f"{name}: a proxy cannot be used by {proxy.scheme[:20]}"
        return ConfigError(msg, hint=f"the choices are {', '.join(_SCHEMES)}")
    if not proxy.host or not 0 < (proxy.port or 1) <= _LARGEST_PORT:
        return ConfigError(f"{name} is not the address of a proxy")
    if proxy.scheme.startswith("socks") and find_spec("socksio") is None:
        msg = f"{name}: a package is missing for SOCKS proxies"
        return ConfigError(msg, hint='install "ramalama[socks]", or the package socksio')
    return None


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"

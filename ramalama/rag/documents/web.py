"""Fetch documents from the web.

A page may redirect to an address that only this machine or its network can reach, to have its
answer put into an index. So a redirect to another host is followed only if all addresses of that
host are public, and its answer is read only if it came from one. A host that the user has named may
be anywhere, but other programs may listen at its other ports: only those for HTTP and HTTPS, and
the one in a URL of the user's, count as named.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urldefrag
from urllib.request import getproxies, proxy_bypass

import httpx2

from ramalama.errors import OptionRefused
from ramalama.models.http.client import ask, open_http
from ramalama.models.http.failures import AnswerTooLong, advise
from ramalama.rag.documents.find import Loaded
from ramalama.rag.documents.limits import LARGEST_FILE, Unreadable, too_large
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from ramalama.rag.documents.find import Source

    Resolve = Callable[[str], Iterable[str]]

_NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address (RFC 6052)
_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal")


class _LocalAddress(httpx2.RequestError):
    """A redirect to an address that is not public."""


@frozen()
class FoundPage:
    """A page of the web; its URI is the URL without a fragment."""

    uri: str
    client: httpx2.Client

    def load(self) -> Loaded:
        """Fetch the page."""
        try:
            answer = ask(self.client, self.uri, headers={"accept": "*/*"}, limit=LARGEST_FILE)
        except AnswerTooLong:
            raise too_large(LARGEST_FILE) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            msg = f"cannot be fetched: {one_line(advise(exc))}"
            raise Unreadable(msg, may_pass=True) from exc
        if not answer.ok:
            msg = f"cannot be fetched: the server answers {answer.status}"
            raise Unreadable(msg, may_pass=True)
        return Loaded(self.uri, answer.body, answer.headers.get("content-type", ""))


class Web:
    """Opens pages with one client, which is made when it is first needed."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or _addresses
        self._named: set[tuple[str, int | None]] = set()
        self._client: httpx2.Client | None = None

    def open(self, url: str) -> Source:
        """Return the page at *url*, which the user has named.

        Raises:
            OptionRefused: it is no URL, or it has a password, which the index would tell.
        """
        try:
            parsed = httpx2.URL(urldefrag(url).url)
        except (httpx2.InvalidURL, ValueError):
            parsed = None
        if parsed is None or not parsed.host:
            msg = f"{url} is not a URL"
            raise OptionRefused(msg)
        if parsed.userinfo:
            msg = "a URL of a document must have no password, which the index would contain"
            raise OptionRefused(msg)
        self._named.add((parsed.host, parsed.port))
        if self._client is None:
            self._client = open_http()
            self._client.event_hooks = {"request": [self._check], "response": [self._check_peer]}
        return FoundPage(uri=str(parsed), client=self._client)

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()

    def _check(self, request: httpx2.Request) -> None:
        """Refuse a request to a local address, unless the user has named its host."""
        host = request.url.host
        if self._is_named(request.url):
            return
        if host.lower().endswith(_LOCAL_NAMES) or not all(map(is_public, self._ask(request.url))):
            raise _refused(host)

    def _check_peer(self, response: httpx2.Response) -> None:
        """Refuse an answer from a local address: a name may have another one by now."""
        host = response.request.url.host
        stream = response.extensions.get("network_stream")
        url = response.request.url
        if self._is_named(url) or _has_proxy(url) or stream is None:
            return
        peer = stream.get_extra_info("server_addr")
        if not peer or not is_public(str(peer[0])):
            raise _refused(host)

    def _is_named(self, url: httpx2.URL) -> bool:
        """Return whether the user has named the host, with this port if it is no usual one."""
        ports = {port for host, port in self._named if host == url.host}
        return bool(ports) and (url.port is None or url.port in ports)

    def _ask(self, url: httpx2.URL) -> Iterable[str]:
        """Return the addresses of a host; where a proxy finds them, only those of a number."""
        try:
            return self._resolve(url.host)
        except OSError as exc:
            if _has_proxy(url):
                return ()
            msg = exc.strerror or "its name has no address"
            raise httpx2.ConnectError(msg) from exc


@contextmanager
def opened_web(resolve: Resolve | None = None) -> Generator[Web]:
    """Yield what opens pages, for the block; *resolve* returns the addresses of a host."""
    web = Web(resolve)
    try:
        yield web
    finally:
        web.close()


def is_public(address: str) -> bool:
    """Return whether *address* is one that any host of the internet may have."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in _NAT64 else None
        parsed = inner or parsed.ipv4_mapped or parsed.sixtofour or parsed
    return bool(parsed.is_global and not parsed.is_multicast)


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def _has_proxy(url: httpx2.URL) -> bool:
    proxies = getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not proxy_bypass(url.host)


def _refused(host: str) -> _LocalAddress:
    return _LocalAddress(f"it redirects to {host}, which is in the local network")

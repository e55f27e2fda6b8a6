"""A client for a model server that is not ours: any that speaks the OpenAI API."""

import re
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.client import HeaderFilter, no_tls
from ramalama_chat.client.context_size import read_models
from ramalama_chat.client.endpoint import LOOPBACK
from ramalama_chat.client.failures import chat_errors, opening_errors
from ramalama_chat.errors import ChatError, InputRefused
from ramalama_values.text import one_line

_CONNECT_TIMEOUT = 10.0
_HEADER_WORD = "[!-~]+"


def open_remote(
    url: str, *, api_key: str | None = None, timeout: float | None = None
) -> openai.OpenAI:
    """Return a client for the server at *url*: ``http(s)://host[:port][/v1]``, ``unix:///socket``.

    Nothing is sent yet. *timeout* is the longest silence within a request, in seconds. The key and
    nothing else that OpenAI's own service would be told goes along. Proxies of the environment are
    used, but not to this machine; redirects are not followed, since they would see the key.

    Raises:
        InputRefused: *url* is none of these, no header can carry *api_key*, or the environment
            names a proxy that makes no sense.

    """
    parts = _split(url)
    if re.fullmatch(_HEADER_WORD, api_key or "none") is None:
        msg = "the API key has characters that no HTTP header carries, such as a space"
        raise InputRefused(msg)
    header_filter = HeaderFilter(api_key)
    return openai.OpenAI(
        api_key=header_filter.api_key,
        base_url=_base_url(parts),
        timeout=httpx2.Timeout(timeout, connect=_CONNECT_TIMEOUT),
        max_retries=0,  # the session retries, and knows when that is safe
        http_client=_open_http(parts, header_filter),
    )


def choose_key(url: str, env: Mapping[str, str]) -> str | None:
    """Return RAMALAMA_API_KEY, else OPENAI_API_KEY, but that in clear to this machine alone.

    Raises:
        InputRefused: *url* is no server's address; see `open_remote`.

    """
    parts = _split(url)
    in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK
    general = "" if in_clear else env.get("OPENAI_API_KEY", "")
    return env.get("RAMALAMA_API_KEY") or general or None


def choose_model(client: openai.OpenAI, name: str | None) -> str:
    """Return *name*, or that of the one model that the server has.

    Raises:
        InputRefused: it has several, and none was named.
        ChatError: there is no such server, or it has no list of models.

    """
    if name is not None:
        return name
    with chat_errors(), opening_errors():
        answer: object = client.get("/models", cast_to=object)
        models = [
            model for entry in read_models(answer) if isinstance(model := entry.get("id"), str)
        ]
    if not models:
        msg = f"{client.base_url} lists no models: is it a model server? --model names one anyway"
        raise ChatError(msg)
    if len(models) > 1:
        msg = f"the server has several models, name one by --model: {one_line(', '.join(models))}"
        raise InputRefused(msg)
    return models[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return parts
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme in ("http", "https") and parts.hostname and plain and _can_be_asked(url):
        return parts
    shown = one_line(url.rpartition("@")[2])  # before it there may be a password
    msg = f"{shown!r} is no server's address: write http(s)://host:port or unix:///path/of/socket"
    raise InputRefused(msg)


def _can_be_asked(url: str) -> bool:
    """Tell whether the client and the resolver would take *url*; neither says why in a line."""
    try:
        return bool(httpx2.URL(url).raw_host.decode("ascii").encode("idna"))
    except (httpx2.InvalidURL, UnicodeError):
        return False


def _open_http(parts: SplitResult, header_filter: HeaderFilter) -> httpx2.Client:
    try:
        return httpx2.Client(
            transport=_socket_transport(parts),
            verify=ssl.create_default_context() if parts.scheme == "https" else no_tls(),
            trust_env=parts.scheme != "unix" and parts.hostname not in LOOPBACK,
            follow_redirects=False,
            event_hooks={"request": [header_filter.apply]},
        )
    except (httpx2.InvalidURL, ImportError, ValueError) as exc:
        # What it says may repeat a password.
        msg = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no proxy of http:// or https://"
        raise InputRefused(msg) from exc


def _base_url(parts: SplitResult) -> str:
    if parts.scheme == "unix":
        return "http://localhost/v1"  # its host is a mere form, since the socket is the address
    return parts.geturl() if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def _socket_transport(parts: SplitResult) -> httpx2.HTTPTransport | None:
    return httpx2.HTTPTransport(uds=parts.path, verify=no_tls()) if parts.scheme == "unix" else None

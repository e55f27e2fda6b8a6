"""Parse web addresses of files, and of the hubs' pages about models.

    file = host [":" port] "/" path ["?" query] ["#sha256=" hex]

An address that a browser shows on a hub stands for the model there; the hub's own transport knows
the digests of its files:

    https://huggingface.co/ORG/REPO[/tree/REVISION]                hf://ORG/REPO[@REVISION]
    https://huggingface.co/ORG/REPO/{blob,resolve,raw}/REVISION/F  hf://ORG/REPO[@REVISION]/F
    https://modelscope.cn/models/ORG/REPO[/summary,/files]         ms://ORG/REPO
    https://modelscope.cn/models/ORG/REPO/{resolve,file/view}/REVISION/F
                                                                   ms://ORG/REPO[@REVISION]/F
    https://ollama.com/NAMESPACE/NAME[:TAG]                        ollama://NAMESPACE/NAME[:TAG]

The manual page's ``hf.co/ORG/REPO`` has no scheme, and the others need none, either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from ramalama.models.formats.model_files import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OLLAMA_HOSTS = ("ollama.com", "www.ollama.com", "ollama.ai", "registry.ollama.ai")

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_NO_MODELS = ("api", "datasets", "spaces", "docs", "collections", "papers", "blog", "v2")
_FILES = ("blob", "resolve", "raw")
_FRAGMENT = "sha256="

# Compiled by `re` when first used, so that importing this module takes no time.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?P<port>[0-9]+))?"
_LONGEST_HOST = 350
_LONGEST_PORT = 5
_LARGEST_PORT = 65535

# Kept as typed: the printable ASCII characters that a URL may have, and "%".
_AS_TYPED = "!$%&'()*+,-./:;=?@_~[]"
_LONE_PERCENT = r"%(?![0-9A-Fa-f]{2})"

# Query parameters that file servers use for passwords.
_SECRETS = frozenset(
    # One string, since a row for each would take half a page.
    """access_token api_key apikey auth authorization jwt key-pair-id passwd password
    private_token secret sig signature token x-amz-credential x-amz-security-token
    x-amz-signature x-goog-credential x-goog-signature""".split()  # noqa: SIM905 (see above)
)


def parse_url(scheme: str, rest: str) -> tuple[str, str]:
    """Parse the address of a file; return its location, and the expected digest as its tag.

    Raises:
        ValueError: it is not such an address, or has a password, which lists would reveal.
    """
    address, mark, fragment = rest.partition("#")
    authority, slash, path = address.partition("/")
    host = parse_host(authority).removesuffix(_DEFAULT_PORTS[scheme])
    path, question, query = path.partition("?")
    if not slash or not (path or query):
        msg = "it names a server, but not a file"
        raise ValueError(msg)
    if any(unquote(part) in (".", "..") for part in path.split("/")):
        msg = "its path contains '.' or '..'; write it without them"
        raise ValueError(msg)
    _refuse_secrets(query)
    return f"{host}/{_escaped(path)}{question}{_escaped(query)}", _digest(fragment) if mark else ""


def parse_host(text: str) -> str:
    """Parse ``host``, ``host:port`` or ``[IPv6]:port``, and return it in lower case.

    Raises:
        ValueError: *text* is not a host.
    """
    match = re.fullmatch(_HOST, text) if len(text) <= _LONGEST_HOST else None
    if match is None or not _is_port(match["port"] or "443"):
        msg = "its server is not a host name; other letters must be encoded as xn--…"
        raise ValueError(msg)
    return text.lower()


def _is_port(text: str) -> bool:
    return len(text) <= _LONGEST_PORT and 0 < int(text) <= _LARGEST_PORT


def hub_reference(text: str) -> str | None:
    """Convert the address of a model's page or file into a reference of the hub's transport.

    Return None if *text* is not an address of a hub, or means something else there.
    """
    prefix, mark, address = text.rpartition("://")
    host, slash, path = address.partition("/")
    shapes = _HUBS.get(host.lower())
    if not slash or shapes is None or prefix.lower() not in ("", "https", "http"):
        return None
    if f"#{_FRAGMENT}" in path:  # the hub's transport would ignore it
        return None
    scheme, find = shapes
    parts = tuple(part for part in re.split(r"[?#]", path)[0].split("/") if part)
    name = find(parts)
    if name is None and not mark:
        name = "/".join(parts)
    return f"{scheme}://{name}" if name else None


def _hugging_face(parts: Sequence[str]) -> str | None:
    match parts:
        case [organisation, *_] if organisation in _NO_MODELS:
            return None
        case [_, _]:
            return "/".join(parts)
        case [organisation, repo, "tree", revision]:
            return f"{organisation}/{repo}{_pin(revision, 'main')}"
        case [organisation, repo, word, revision, *file] if file and word in _FILES:
            return f"{organisation}/{repo}{_pin(revision, 'main')}/{unquote('/'.join(file))}"
        case _:
            return None


def _modelscope(parts: Sequence[str]) -> str | None:
    match parts:
        case ["models", organisation, repo] | ["models", organisation, repo, "summary" | "files"]:
            return f"{organisation}/{repo}"
        case ["models", organisation, repo, "resolve", revision, *file] | [
            "models",
            organisation,
            repo,
            "file",
            "view",
            revision,
            *file,
        ] if file:
            return f"{organisation}/{repo}{_pin(revision, 'master')}/{unquote('/'.join(file))}"
        case _:
            return None


def _ollama(parts: Sequence[str]) -> str | None:
    match parts:
        case [_, _]:
            return "/".join(parts)
        case _:
            return None


_HUBS: dict[str, tuple[str, Callable[[Sequence[str]], str | None]]] = {
    **dict.fromkeys(
        ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"), ("hf", _hugging_face)
    ),
    **dict.fromkeys(("modelscope.cn", "www.modelscope.cn"), ("ms", _modelscope)),
    **dict.fromkeys(OLLAMA_HOSTS, ("ollama", _ollama)),
}


def _pin(revision: str, default: str) -> str:
    return "" if revision == default else f"@{revision}"


def _escaped(text: str) -> str:
    return quote(re.sub(_LONE_PERCENT, "%25", text), safe=_AS_TYPED)


def _digest(fragment: str) -> str:
    if not fragment.startswith(_FRAGMENT):
        msg = "only the digest of the file, sha256=HEX, may follow #"
        raise ValueError(msg)
    return str(Digest.parse(fragment.removeprefix(_FRAGMENT)))


def _refuse_secrets(query: str) -> None:
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name.lower() in _SECRETS:
            msg = (
                f"its {name[:40]!r} is a password, which a reference cannot keep secret; "
                "download the file and give its path"
            )
            raise ValueError(msg)

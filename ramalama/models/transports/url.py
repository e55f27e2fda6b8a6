"""Find models at web addresses: one GGUF file, or all parts of a split one.

Servers often refuse HEAD, and the first bytes show what a file is: so the first four bytes are
requested. If a server cannot send a part of a file, the connection is closed after these bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ramalama.errors import AccessDenied, ModelPullError, ModelUnsupported, UnknownModel
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.gguf import recognize
from ramalama.models.formats.model_files import Digest, FileKind, part_of
from ramalama.models.http.client import opened
from ramalama.models.http.failures import (
    DEFAULT_RETRY_POLICY,
    TRANSIENT_STATUSES,
    TransientError,
    asked_pause,
    refuse_downgrade,
    server_of,
    transient_errors,
    translated,
)
from ramalama.models.transports.base import RemoteFile, RemoteModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import httpx2

    from ramalama.errors import ModelError
    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import OpenClient, TransportContext

_MAGIC = b"GGUF"
_SPLIT_AT_MOST = 999  # parts
_LONGEST_NAME = 255  # bytes; NAME_MAX of the file systems in use
_NAMELESS = "model.gguf"

_NUMBER = r"[0-9]{1,15}"
_FIRST_BYTES = rf"bytes 0-[0-9]+/(?P<total>{_NUMBER}|\*)"
_EXTENDED_NAME = r"""(?i)(?:^|;)\s*filename\*\s*=\s*utf-8'[^']*'(?P<name>[^;\s]+)"""
_QUOTED_NAME = r"""(?i)(?:^|;)\s*filename\s*=\s*"(?P<name>(?:[^"\\]|\\.)*)\""""
_PLAIN_NAME = r"""(?i)(?:^|;)\s*filename\s*=\s*(?P<name>[^;"\s]+)"""


class UrlTransport:
    """Finds models at addresses, without a registry that lists or verifies them."""

    def __init__(
        self, *, client: httpx2.Client, retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY
    ) -> None:
        self._client = client
        self._retry_policy = retry_policy

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Self:
        """Return a transport for one call; see `OpenableTransport.open`."""
        return cls(client=open_client(), retry_policy=context.retry_policy)

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:  # noqa: ARG002 (there is only GGUF)
        """Read the beginning of each file; see `Transport.find`."""
        url = f"{reference.scheme}://{reference.location}"
        digest = Digest.parse(reference.tag) if reference.tag else None
        digests = {part: digest if part == url else None for part in _parts(url)}
        found = {part: self._look(part, digests[part]) for part in digests}
        versions = [beginning.version for beginning in found.values()]
        files = [
            self._file(part, beginning, digest=digests[part], several=len(found) > 1)
            for part, beginning in found.items()
        ]
        return RemoteModel(
            reference=reference,
            revision=" ".join(versions) if all(versions) else None,
            files=tuple(files),
        )

    def _file(
        self, url: str, beginning: _Beginning, *, digest: Digest | None, several: bool
    ) -> RemoteFile:
        # The parts of a model find each other by the names in their addresses.
        disposition = "" if several else beginning.headers.get("content-disposition", "")
        name = _name(url, disposition)
        blob = RemoteBlob(
            name=name,
            identity=str(digest) if digest else f"{url} {beginning.version}".rstrip(),
            size=beginning.size,
            digest=digest,
            locate=lambda: Location(url=url),
            client=self._client,
        )
        return RemoteFile(name=name, kind=FileKind.GGUF, blob=blob)

    def _look(self, url: str, digest: Digest | None) -> _Beginning:
        def note(failure: TransientError, pause: float) -> None:
            self._retry_policy.tell(f"{server_of(url)} cannot be used: {failure}", pause)

        with translated(url):
            beginning = self._retry_policy.retrying(note)(_ask, self._client, url)
        if beginning.status not in (200, 206):
            raise _refusal(beginning, url)
        if digest is None:
            refuse_downgrade(url, beginning.url)
        _check(beginning, url)
        return beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beginning:
    """The first bytes at an address.

    Attributes:
        url: the URL that answered in the end, after redirects.
        headers: names in lower case.
        size: of the whole file, in bytes; None if the server does not say.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    start: bytes
    size: int | None

    @property
    def version(self) -> str:
        """A value that changes with the content; "" if the server has none."""
        return self.headers.get("etag") or self.headers.get("last-modified", "")


def _ask(client: httpx2.Client, url: str) -> _Beginning:
    wanted = {"range": f"bytes=0-{len(_MAGIC) - 1}"}
    with transient_errors(), opened(client, "GET", url, headers=wanted) as response:
        if response.status_code in TRANSIENT_STATUSES:
            reason = f"it answers {response.status_code}"
            raise TransientError(reason, pause=asked_pause(response.headers))
        start = bytearray()
        for piece in response.iter_raw():
            start += piece
            if len(start) > len(_MAGIC):
                break
        headers = {name.lower(): value for name, value in response.headers.items()}
    return _Beginning(
        status=response.status_code,
        url=str(response.url),
        headers=headers,
        start=bytes(start[: len(_MAGIC)]),
        size=_size(response.status_code, headers),
    )


def _size(status: int, headers: Mapping[str, str]) -> int | None:
    if status == 206:  # noqa: PLR2004 (HTTP's own number)
        match = re.fullmatch(_FIRST_BYTES, headers.get("content-range", ""))
        total = match["total"] if match else ""
    else:
        total = headers.get("content-length", "")
    return int(total) if re.fullmatch(_NUMBER, total) else None


def _parts(url: str) -> tuple[str, ...]:
    """Return the addresses of all parts, in order."""
    path, question, query = url.partition("?")
    part = part_of(path)
    if part is None:
        return (url,)
    if part.count > _SPLIT_AT_MOST:
        msg = f"{url} says that it is part of {part.count} files"
        raise ModelUnsupported(msg)
    ending = path[-len(".gguf") :]
    return tuple(
        f"{part.stem}-{number:05}-of-{part.count:05}{ending}{question}{query}"
        for number in range(1, part.count + 1)
    )


def _check(beginning: _Beginning, url: str) -> None:
    """Reject anything but a GGUF file.

    Raises:
        ModelUnsupported: it is something else.
        ModelPullError: the server does not follow the request.
    """
    headers = beginning.headers
    if headers.get("content-encoding", "identity") != "identity":
        msg = f"{url} comes compressed, although that was not requested"
        raise ModelPullError(msg)
    if beginning.status == 206 and "bytes 0-" not in headers.get("content-range", ""):  # noqa: PLR2004 (HTTP's own number)
        msg = f"the server of {url} sends other bytes than requested"
        raise ModelPullError(msg)
    if beginning.start == _MAGIC:
        return
    if urlsplit(url).path.lower().endswith(".safetensors"):
        msg = (
            f"{url} is a file of weights without configuration and tokenizer; "
            "use the whole repository, hf://ORG/REPO, or a directory with all files"
        )
    else:
        head = b"<" if "html" in headers.get("content-type", "") else beginning.start
        msg = f"{url} is {recognize(head) or 'not a GGUF file'}"
    raise ModelUnsupported(msg)


def _refusal(beginning: _Beginning, url: str) -> ModelError:
    server = server_of(url)
    match beginning.status:
        case 401 | 403:
            return AccessDenied(f"{server} gives no public access to {url}; download it yourself")
        case 404 | 410:
            return UnknownModel(f"there is no {url}")
        case 416:
            return ModelUnsupported(f"{url} is empty")
        case status:
            return ModelPullError(f"{server} answered {status} for {url}")


def _name(url: str, disposition: str) -> str:
    """Return the file's name as the server gives it, or else as in the address."""
    for candidate in (_name_in(disposition), unquote(urlsplit(url).path)):
        # Some servers use backslashes as separators.
        name = candidate.replace("\\", "/").rpartition("/")[2]
        name = "".join(char for char in name if char.isprintable()).strip(" .")
        if 0 < len(name.encode()) <= _LONGEST_NAME:
            return name
    return _NAMELESS


def _name_in(disposition: str) -> str:
    """Return the file name in a header Content-Disposition; RFC 6266, section 4.3."""
    if match := re.search(_EXTENDED_NAME, disposition):
        return unquote(match["name"])
    if match := re.search(_QUOTED_NAME, disposition):
        return re.sub(r"\\(.)", r"\1", match["name"])
    match = re.search(_PLAIN_NAME, disposition)
    return match["name"] if match else ""

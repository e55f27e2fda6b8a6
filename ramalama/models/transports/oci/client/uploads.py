"""Upload blobs to a registry; OCI distribution specification 1.1, "Push".

POST /v2/NAME/blobs/uploads/[?mount=DIGEST&from=OTHER]    201 mounted, or 202 and a Location
PUT  LOCATION?digest=DIGEST                               all of the blob at once, or
PATCH LOCATION, Content-Range: FIRST-LAST                 piece after piece, each with a new
                                                          Location, and an empty PUT
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ramalama.models.formats.model_files import Digest
    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.transports.oci.client.registry import RegistryClient
    from ramalama.models.transports.oci.layers.content import BlobContent

PIECE = 64 * 1024 * 1024  # bytes; services in front of registries refuse requests of 100 MB
_CREATED, _ACCEPTED = 201, 202
_TRY_IN_PIECES = (405, 411, 413, 501)


def mount_blob(registry: RegistryClient, digest: Digest, *, source: str) -> bool:
    """Mount a blob from the repository *source* of the same registry; return whether that worked.

    The session must have access to *source*: see `registry.open_repository`, *mount_from*.
    """
    url = _uploads(registry).copy_merge_params({"mount": str(digest), "from": source})
    answer = registry.session.send("POST", url, content=bytes)
    if answer.status == _ACCEPTED:  # it has begun an upload, which is not needed
        registry.session.send("DELETE", _location(registry, answer), content=bytes)
    return answer.status == _CREATED


def upload_blob(
    registry: RegistryClient,
    content: BlobContent,
    digest: Digest,
    *,
    on_bytes: Callable[[int], None] = lambda _count: None,
    piece: int = PIECE,
) -> None:
    """Upload *content*, which has the digest *digest*; the registry verifies it.

    If the registry does not accept it at once, it is sent in pieces of *piece* bytes. *on_bytes*
    gets the number of bytes sent since its last call. After a failure, call this function again.
    """
    session = registry.session
    counted = partial(_counted, content, on_bytes)
    target = _begin(registry).copy_merge_params({"digest": str(digest)})
    session.proof()  # renews a token that would expire during the upload
    answer = session.send(
        "PUT",
        target,
        content=partial(counted, 0, content.size),
        headers=_headers(content.size),
    )
    if answer.status in _TRY_IN_PIECES:
        answer = _upload_in_pieces(registry, content.size, counted, digest, piece)
    if not answer.ok:
        raise session.refusal(answer)


def _upload_in_pieces(
    registry: RegistryClient,
    size: int,
    blocks: Callable[[int, int], Iterable[bytes]],
    digest: Digest,
    piece: int,
) -> HttpAnswer:
    target = _begin(registry)
    for first in range(0, size, piece):
        end = min(first + piece, size)
        answer = registry.session.send(
            "PATCH",
            target,
            content=partial(blocks, first, end),
            headers={**_headers(end - first), "content-range": f"{first}-{end - 1}"},
        )
        if not answer.ok:
            return answer
        target = _location(registry, answer)
    target = target.copy_merge_params({"digest": str(digest)})
    return registry.session.send("PUT", target, content=bytes)


def _headers(size: int) -> dict[str, str]:
    return {"content-type": "application/octet-stream", "content-length": str(size)}


def _counted(
    content: BlobContent, on_bytes: Callable[[int], None], first: int, end: int
) -> Iterator[bytes]:
    for block in content.blocks(first, end):
        yield block
        on_bytes(len(block))


def _begin(registry: RegistryClient) -> httpx2.URL:
    answer = registry.session.send("POST", _uploads(registry), content=bytes)
    if answer.status != _ACCEPTED:
        raise registry.session.refusal(answer)
    return _location(registry, answer)


def _uploads(registry: RegistryClient) -> httpx2.URL:
    return registry.session.url.copy_with(path=f"/v2/{registry.path}/blobs/uploads/")


def _location(registry: RegistryClient, answer: HttpAnswer) -> httpx2.URL:
    """Return the URL to continue with, which the server gives as an absolute or relative URL."""
    session = registry.session
    try:
        url = httpx2.URL(answer.url).join(answer.headers.get("location", ""))
    except httpx2.InvalidURL:
        url = httpx2.URL()
    secure = session.url.scheme == "https"
    if url.scheme not in (("https",) if secure else ("https", "http")) or not url.host:
        msg = f"{session.domain} does not say where the upload should go"
        raise session.error(msg)
    return url

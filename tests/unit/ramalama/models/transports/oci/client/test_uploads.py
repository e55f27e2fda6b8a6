"""Blobs get into registries of various habits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ModelPushError
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.client.registry import Purpose, RegistryClient, open_repository
from ramalama.models.transports.oci.client.uploads import mount_blob, upload_blob
from ramalama.models.transports.oci.layers.content import Content
from ramalama_engines import ImageReference
from tests.doubles.oci_models import digest
from tests.doubles.oci_registry import always
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from ramalama.models.transports.oci.client.registry import Access
    from tests.doubles.server import Request

BLOB = bytes(range(256)) * 300
DIGEST = Digest.parse(digest(BLOB))
UPLOADS = "/v2/team/model/blobs/uploads/"


@dataclass(slots=True, kw_only=True)
class Uploads:
    """Takes uploads, or refuses those that come in one piece.

    Attributes:
        location: of an upload, with "{}" for its number.
        refusal: to a PUT with a body.
    """

    location: str = UPLOADS + "{}"
    refusal: int | None = None
    taken: bytearray = field(default_factory=bytearray)
    ranges: list[str] = field(default_factory=list[str])
    number: int = 0

    def answer(self, request: Request) -> Reply:
        if request.method in ("PATCH", "PUT") and not request.path.endswith(f"/{self.number}"):
            return Reply(status=404)
        self.number += 1
        headers = {"location": self.location.format(self.number)}
        match request.method:
            case "POST":
                self.taken.clear()
                return Reply(status=202, headers=headers)
            case "PATCH":
                self.taken += request.body
                self.ranges.append(request.headers["content-range"])
                return Reply(status=202, headers=headers)
            case "PUT" if request.body and self.refusal:
                return Reply(status=self.refusal)
            case _:
                self.taken += request.body
                good = request.query["digest"] == digest(bytes(self.taken))
                return Reply(status=201 if good else 400)


@pytest.fixture
def client(server: FileServer, access: Access) -> RegistryClient:
    address = server.url.removeprefix("http://")
    reference = ImageReference.parse(f"{address}/team/model")
    return open_repository(reference, access, purpose=Purpose.PUSH)


@pytest.mark.parametrize(
    "location",
    [
        UPLOADS + "{}",
        UPLOADS + "{}?_state=a%2Fb",
        "SERVER" + UPLOADS + "{}",
        "SERVER" + UPLOADS + "{}?_state=a",
        "{}",
    ],
)
def test_a_blob_is_sent_at_once_to_where_the_registry_says(
    server: FileServer, client: RegistryClient, location: str
) -> None:
    double = Uploads(location=location.replace("SERVER", server.url))
    server.routes[UPLOADS] = double.answer
    heard: list[int] = []

    upload_blob(client, Content((BLOB[:7], BLOB[7:])), DIGEST, on_bytes=heard.append)

    assert double.taken == BLOB
    assert sum(heard) == len(BLOB)
    put = server.requests[-1]
    assert (put.method, put.headers["content-length"]) == ("PUT", str(len(BLOB)))
    assert set(put.query) == {"digest", *(["_state"] if "_state" in location else [])}


@pytest.mark.parametrize("status", [405, 411, 413, 501])
def test_a_registry_that_takes_no_large_requests_gets_pieces(
    server: FileServer, client: RegistryClient, status: int
) -> None:
    double = Uploads(refusal=status)
    server.routes[UPLOADS] = double.answer

    upload_blob(client, Content((BLOB,)), DIGEST, piece=50_000)

    assert double.taken == BLOB
    assert double.ranges == ["0-49999", f"50000-{len(BLOB) - 1}"]
    last = server.requests[-1]
    assert (last.method, last.body) == ("PUT", b"")


def test_an_empty_blob_is_sent_too(server: FileServer, client: RegistryClient) -> None:
    double = Uploads(refusal=413)
    server.routes[UPLOADS] = double.answer

    upload_blob(client, Content(()), Digest.parse(digest(b"")))

    assert double.taken == b""
    assert [request.method for request in server.requests][-2:] == ["POST", "PUT"]


@pytest.mark.parametrize(
    ("reply", "error", "reason"),
    [
        (Reply(status=403), AccessDenied, "denies this to anonymous users"),
        (Reply(status=500), ModelPushError, "answered 500"),
        (Reply(status=200), ModelPushError, "answered 200"),
        (Reply(status=202), ModelPushError, "answered 404"),
        (Reply(status=202, headers={"location": "ftp://x/"}), ModelPushError, "does not say where"),
        (
            Reply(status=202, headers={"location": "http://[::1/"}),
            ModelPushError,
            "does not say where",
        ),
    ],
)
def test_a_refusal_is_an_error(
    server: FileServer,
    client: RegistryClient,
    reply: Reply,
    error: type[ModelPushError],
    reason: str,
) -> None:
    server.routes[UPLOADS] = lambda request: (
        reply if request.method == "POST" else Reply(status=404)
    )

    with pytest.raises(error, match=reason):
        upload_blob(client, Content((BLOB,)), DIGEST)


def test_a_blob_that_is_not_what_it_should_be_is_an_error(
    server: FileServer, client: RegistryClient
) -> None:
    server.routes[UPLOADS] = Uploads().answer

    with pytest.raises(ModelPushError, match="answered 400"):
        upload_blob(client, Content((BLOB + b"more",)), DIGEST)


def test_a_blob_in_another_repository_is_mounted(
    server: FileServer, client: RegistryClient
) -> None:
    server.routes[UPLOADS] = always(Reply(status=201))

    assert mount_blob(client, DIGEST, source="team/other")
    query = server.requests[-1].query
    assert query == {"mount": str(DIGEST), "from": "team/other"}


@pytest.mark.parametrize("status", [202, 404, 405])
def test_a_registry_that_mounts_nothing_is_left_without_an_upload(
    server: FileServer, client: RegistryClient, status: int
) -> None:
    begun = Reply(status=status, headers={"location": f"{UPLOADS}7"})
    server.routes[UPLOADS] = always(begun)

    assert not mount_blob(client, DIGEST, source="team/other")
    cancelled = [request.path for request in server.requests if request.method == "DELETE"]
    assert cancelled == ([f"{UPLOADS}7"] if status == 202 else [])


def test_an_upload_at_another_host_is_told_no_secret(
    server: FileServer, client: RegistryClient
) -> None:
    double = Uploads(location=f"{server.other_url}{UPLOADS}{{}}")
    server.routes["/token"] = always(Reply.of_json({"token": "t"}))
    bearer = {"www-authenticate": f'Bearer realm="{server.url}/token"'}
    challenged = iter([Reply(status=401, headers=bearer)])
    server.routes[UPLOADS] = lambda request: next(challenged, None) or double.answer(request)

    upload_blob(client, Content((BLOB,)), DIGEST)

    assert double.taken == BLOB
    begun = server.asked(UPLOADS)[-1]
    assert begun.headers["authorization"] == "Bearer t"
    scope = server.asked("/token")[0].query["scope"]
    assert scope == "repository:team/model:pull,push"


@pytest.mark.parametrize(("status", "ok"), [(201, True), (400, False)])
def test_a_manifest_is_put_under_its_type(
    server: FileServer, client: RegistryClient, status: int, *, ok: bool
) -> None:
    server.routes["/v2/team/model/manifests/1"] = always(Reply(status=status))

    if not ok:
        with pytest.raises(ModelPushError, match="answered 400"):
            client.put_manifest("1", b"{}", media_type="x/y")
        return
    assert str(client.put_manifest("1", b"{}", media_type="x/y")) == digest(b"{}")
    put = server.requests[-1]
    assert (put.method, put.headers["content-type"], put.body) == ("PUT", "x/y", b"{}")


def test_a_registry_that_took_another_manifest_is_an_error(
    server: FileServer, client: RegistryClient
) -> None:
    headers = {"docker-content-digest": digest(b"other")}
    server.routes["/v2/team/model/manifests/1"] = always(Reply(status=201, headers=headers))

    with pytest.raises(ModelPushError, match=r"instead of"):
        client.put_manifest("1", b"{}", media_type="x/y")

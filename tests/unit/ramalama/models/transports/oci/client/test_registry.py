"""What a registry says is verified, what it refuses is told, and no secret leaves for another."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.oci.client.credentials import FoundCredentials
from ramalama.models.transports.oci.client.registry import (
    RegistryClient,
    open_repository,
    open_session,
)
from ramalama.models.transports.oci.manifests.manifest import Descriptor
from ramalama_engines import ImageReference
from tests.doubles.oci_models import Layer, Model, digest, make_model
from tests.doubles.oci_registry import always, demand, publish, redirect_to_another_host
from tests.doubles.server import FileServer, Reply
from tests.lab.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.transports.oci.client.registry import Access

PASSWORD = "open:sesame"  # noqa: S105 (it opens nothing)
BASIC = f"Basic {base64.b64encode(f'alice:{PASSWORD}'.encode()).decode()}"
WEIGHTS = b"GGUF weights"
MODEL = make_model([Layer(type="x/y", content=WEIGHTS)])
BLOB = Descriptor(media_type="x/y", digest=Digest.parse(digest(WEIGHTS)), size=len(WEIGHTS))
MANIFESTS = "/v2/team/model/manifests"
BLOBS = "/v2/team/model/blobs"


@pytest.fixture
def address(server: FileServer) -> str:
    publish(server, "team/model", "1", MODEL)
    return server.url.removeprefix("http://")


@pytest.fixture
def client(address: str, access: Access) -> RegistryClient:
    return open_client(address, access)


def open_client(address: str, access: Access) -> RegistryClient:
    return open_repository(ImageReference.parse(f"{address}/team/model"), access)


def log_in(address: str, access: Access, directory: Path, name: str = "alice") -> Access:
    """Return how the owner of a password reaches the registry."""
    encoded = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    file = directory / "auth.json"
    file.write_text(json.dumps({"auths": {address: {"auth": encoded}}}))
    return replace(access, authfile=file)


def fetch(blob: RemoteBlob) -> tuple[int, bytes]:
    """Fetch as the downloader does: at the URL and with the headers of this moment."""
    location = blob.locate()
    answer = blob.client.get(location.url, headers=dict(location.headers), follow_redirects=True)
    return answer.status_code, answer.content


def test_a_manifest_is_kept_as_it_came(client: RegistryClient, server: FileServer) -> None:
    found = client.manifest("1")

    assert (found.content, found.media_type) == (MODEL.manifest, MODEL.type)
    assert str(found.digest) == digest(MODEL.manifest)
    assert client.manifest(str(found.digest)) == found
    assert server.asked(f"{MANIFESTS}/1")[0].headers["accept"] == (
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
        "application/vnd.docker.distribution.manifest.v2+json, "
        "application/vnd.docker.distribution.manifest.list.v2+json"
    )


def test_a_blob_is_told_by_its_digest_and_asked_for_later(
    client: RegistryClient, server: FileServer
) -> None:
    blob = client.blob(BLOB, name="m.gguf")

    assert (blob.name, blob.identity, blob.size, blob.digest) == (
        "m.gguf",
        digest(WEIGHTS),
        len(WEIGHTS),
        BLOB.digest,
    )
    assert server.asked(f"{BLOBS}/{BLOB.digest}") == []
    assert fetch(blob) == (200, WEIGHTS)


def test_whether_a_blob_is_there_is_asked_without_fetching_it(
    client: RegistryClient, server: FileServer
) -> None:
    other = Digest(hashlib.sha256(b"other").hexdigest())

    assert client.has_blob(BLOB.digest)
    assert not client.has_blob(other)
    assert {request.method for request in server.requests if "blobs" in request.path} == {"HEAD"}


def test_a_small_blob_is_read_and_verified(client: RegistryClient, server: FileServer) -> None:
    assert client.read_blob(BLOB, limit=100) == WEIGHTS

    server.routes[f"{BLOBS}/{BLOB.digest}"] = always(Reply(body=b"GGUF weightz"))
    with pytest.raises(ModelPullError, match=f"has sha256:.* instead of {BLOB.digest}"):
        client.read_blob(BLOB, limit=100)


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [(replace(BLOB, size=101), "is too large: 101 bytes"), (BLOB, "sends too much")],
)
def test_a_small_blob_that_is_not_small_is_refused(
    client: RegistryClient, server: FileServer, descriptor: Descriptor, reason: str
) -> None:
    server.routes[f"{BLOBS}/{BLOB.digest}"] = always(Reply(body=bytes(101)))

    with pytest.raises(ModelPullError, match=reason):
        client.read_blob(descriptor, limit=100)


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1", {"docker-content-digest": digest(MODEL.manifest)}),
        (digest(MODEL.manifest), {}),
        (digest(MODEL.manifest), {"docker-content-digest": digest(MODEL.manifest + b" ")}),
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
def test_a_manifest_of_another_digest_is_refused(
    client: RegistryClient,
    server: FileServer,
    version: str,
    headers: dict[str, str],
    *,
    redirected: bool,
) -> None:
    path = f"{MANIFESTS}/{version}"
    server.routes[path] = always(Reply(body=MODEL.manifest + b" ", headers=headers))
    if redirected:
        redirect_to_another_host(server)

    with pytest.raises(ModelPullError, match=f"instead of {digest(MODEL.manifest)}"):
        client.manifest(version)


def test_a_manifest_without_end_is_refused(client: RegistryClient, server: FileServer) -> None:
    server.routes[f"{MANIFESTS}/1"] = always(Reply(body=b" " * (4 * 1024 * 1024 + 1)))

    with pytest.raises(ModelPullError, match=r"sends too much: .*longer than 4194304 bytes"):
        client.manifest("1")


@pytest.mark.parametrize(
    ("reply", "error", "reason"),
    [
        (
            Reply(status=401),
            AccessDenied,
            r"ADDRESS requires a password; log in with `ramalama login ADDRESS`",
        ),
        (
            Reply.of_json({"errors": [{"code": "DENIED", "message": "no\x1b[31m\n"}]}, status=403),
            AccessDenied,
            r"ADDRESS denies this to anonymous users \(no\\x1b\[31m\)$",
        ),
        (Reply(status=403, body=b"<html>"), AccessDenied, "denies this to anonymous users$"),
        (
            Reply(status=429, headers={"retry-after": "120"}),
            ModelPullError,
            "has had too many requests; try again in 120 seconds",
        ),
        (
            Reply.of_json({"errors": [{"code": "TOOMANYREQUESTS"}]}, status=429),
            ModelPullError,
            r"has had too many requests \(TOOMANYREQUESTS\); try again later",
        ),
        (Reply(status=500), ModelPullError, "ADDRESS answered 500$"),
        (Reply(status=200, length=10**6, body=b"{"), ModelPullError, "cannot be used: "),
        (Reply.redirect("ftp://elsewhere"), ModelPullError, "cannot be used: "),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_what_helps(
    client: RegistryClient,
    server: FileServer,
    reply: Reply,
    error: type[ModelPullError],
    reason: str,
) -> None:
    server.routes[f"{MANIFESTS}/1"] = always(reply)

    with pytest.raises(error, match=reason.replace("ADDRESS", client.session.domain)) as caught:
        client.manifest("1")
    assert type(caught.value) is error


def test_what_passes_is_waited_for(client: RegistryClient, server: FileServer) -> None:
    replies = iter([Reply(status=503), Reply(body=MODEL.manifest)])
    server.routes[f"{MANIFESTS}/1"] = lambda _request: next(replies)

    assert client.manifest("1").content == MODEL.manifest


def test_redirects_without_end_are_an_error(client: RegistryClient, server: FileServer) -> None:
    server.routes[f"{MANIFESTS}/1"] = always(Reply.redirect(f"{MANIFESTS}/1"))

    with pytest.raises(ModelPullError, match="more than 10 redirects"):
        client.manifest("1")


def test_a_missing_tag_is_an_error_that_says_which_there_are(
    client: RegistryClient, server: FileServer
) -> None:
    server.routes["/v2/team/model/tags/list"] = always(
        Reply.of_json({"name": "team/model", "tags": ["1", "q8", "a\x1bb", 7]})
    )
    name = client.name

    with pytest.raises(UnknownModel, match=r"has no team/model:2; there are 1, q8$") as caught:
        client.manifest("2")
    assert caught.value.alternatives == (f"oci://{name}:1", f"oci://{name}:q8")


@pytest.mark.parametrize(
    "reply",
    [Reply(status=404), Reply(status=401), Reply(body=b"[]"), Reply.of_json({"tags": None})],
)
def test_a_missing_model_is_an_error_even_where_tags_are_secret(
    client: RegistryClient, server: FileServer, reply: Reply
) -> None:
    server.routes["/v2/team/model/tags/list"] = always(reply)
    version = digest(b"other")

    with pytest.raises(UnknownModel, match=f"has no team/model@{version}$"):
        client.manifest(version)


def test_a_password_is_shown_once_the_registry_asks(
    server: FileServer, address: str, access: Access, tmp_path: Path
) -> None:
    demand(server, 'Basic realm="r"', accept=lambda shown: shown == BASIC)
    client = open_client(address, log_in(address, access, tmp_path))

    client.manifest("1")
    client.manifest("1")

    shown = [request.headers.get("authorization") for request in server.asked(f"{MANIFESTS}/1")]
    assert shown == [None, BASIC, BASIC]
    assert fetch(client.blob(BLOB, name="m")) == (200, WEIGHTS)


@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_a_password_that_is_refused_is_an_error_that_names_its_source(
    server: FileServer, address: str, access: Access, tmp_path: Path, who: str
) -> None:
    demand(server, 'Basic realm="r"', accept=lambda _shown: False)
    client = open_client(address, log_in(address, access, tmp_path, who))

    with pytest.raises(AccessDenied) as caught:
        client.manifest("1")

    assert str(caught.value) == (
        f"{address} does not accept '{who}' (from {tmp_path}/auth.json) (authentication required);"
        f" log in with `ramalama login {address}`"
    )
    assert len(server.asked(f"{MANIFESTS}/1")) == 2


def test_what_could_not_be_used_is_told_when_the_registry_refuses(
    server: FileServer, address: str, access: Access
) -> None:
    demand(server, 'Basic realm="r"', accept=lambda _shown: False)
    found = FoundCredentials(notices=("FILE is broken",))
    session = open_session(address, access, found)

    with pytest.raises(AccessDenied, match="FILE is broken; log in with"):
        raise session.refusal(session.ask(f"{MANIFESTS}/1"))
    assert len(server.asked(f"{MANIFESTS}/1")) == 1


def test_a_token_that_the_registry_no_longer_takes_is_replaced(
    server: FileServer, address: str, access: Access
) -> None:
    tokens = iter(["first", "second"])
    server.routes["/token"] = lambda _request: Reply.of_json({"token": next(tokens)})
    good = {"Bearer first"}
    demand(server, f'Bearer realm="{server.url}/token"', accept=lambda shown: shown in good)
    client = open_client(address, access)

    client.manifest("1")
    good.clear()
    good.add("Bearer second")
    client.manifest("1")

    assert len(server.asked("/token")) == 2


def test_a_token_service_that_refuses_is_an_error_that_says_who_we_are(
    server: FileServer, address: str, access: Access, tmp_path: Path
) -> None:
    server.routes["/token"] = always(Reply(status=401))
    demand(server, f'Bearer realm="{server.url}/token"', accept=lambda _shown: False)
    client = open_client(address, log_in(address, access, tmp_path))

    with pytest.raises(AccessDenied, match=r"does not accept 'alice' .*token service .* \(401\)"):
        client.manifest("1")


def test_a_token_service_that_fails_is_no_question_of_passwords(
    server: FileServer, address: str, access: Access
) -> None:
    server.routes["/token"] = always(Reply(status=500))
    demand(server, f'Bearer realm="{server.url}/token"', accept=lambda _shown: False)

    with pytest.raises(ModelPullError, match=r"its token service 127.* answered 500") as caught:
        open_client(address, access).manifest("1")
    assert not isinstance(caught.value, AccessDenied)


def test_another_host_is_told_no_secret(
    server: FileServer, address: str, access: Access, tmp_path: Path
) -> None:
    redirect_to_another_host(server)
    demand(server, 'Basic realm="r"', accept=lambda shown: shown == BASIC)
    client = open_client(address, log_in(address, access, tmp_path))

    assert client.manifest("1").content == MODEL.manifest
    assert client.has_blob(BLOB.digest)
    assert fetch(client.blob(BLOB, name="m")) == (200, WEIGHTS)
    elsewhere = [request for request in server.requests if request.host == "localhost"]
    assert len(elsewhere) == 3
    assert not any("authorization" in request.headers for request in elsewhere)


def test_another_host_that_asks_for_a_password_gets_none(
    server: FileServer, address: str, access: Access, tmp_path: Path
) -> None:
    challenge = Reply(status=401, headers={"www-authenticate": 'Basic realm="mine"'})
    server.routes["/phish"] = always(challenge)
    server.routes[f"{MANIFESTS}/1"] = always(Reply.redirect(f"{server.other_url}/phish"))
    client = open_client(address, log_in(address, access, tmp_path))

    with pytest.raises(AccessDenied):
        client.manifest("1")
    assert len(server.requests) == 2
    assert not any("authorization" in request.headers for request in server.requests)


def test_a_registry_that_is_not_there_is_an_error(access: Access) -> None:
    with pytest.raises(ModelPullError, match=r"127\.0\.0\.1:1 cannot be used: Connection refus"):
        open_client("127.0.0.1:1", access).manifest("1")


def test_a_registry_without_tls_must_be_asked_for(address: str, access: Access) -> None:
    client = open_client(address, replace(access, tls_verify=True))

    with pytest.raises(ModelPullError, match=f"{address} does not use TLS; .*--tls-verify=false"):
        client.manifest("1")


def test_a_registry_with_tls_leads_to_no_place_without(
    server: FileServer, access: Access, tmp_path: Path
) -> None:
    publish(server, "team/model", "1", MODEL)
    certificate = make_certificate(tmp_path / "tls")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    with FileServer(tls=tls) as secure:
        address = secure.url.removeprefix("https://")
        trusted = tmp_path / "etc/containers/certs.d" / address
        trusted.mkdir(parents=True)
        (trusted / "ca.crt").write_bytes(certificate.ca_file.read_bytes())
        publish(secure, "team/model", "1", MODEL)
        secure.routes[f"{MANIFESTS}/2"] = always(Reply.redirect(f"{server.url}{MANIFESTS}/1"))
        client = open_client(address, replace(access, tls_verify=True))

        assert client.manifest("1").content == MODEL.manifest
        with pytest.raises(ModelPullError, match="redirects to a server without TLS"):
            client.manifest("2")


def test_docker_hub_is_where_it_is(access: Access) -> None:
    session = open_session("docker.io", replace(access, tls_verify=True), FoundCredentials())

    assert str(session.url) == "https://registry-1.docker.io"


def test_a_model_may_have_any_manifest_that_its_digest_fits(
    client: RegistryClient, server: FileServer
) -> None:
    published = publish(server, "team/model", "2", Model(manifest=b"anything", type="text/plain"))

    assert str(client.manifest("2").digest) == published

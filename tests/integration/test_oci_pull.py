"""Models that foreign clients pushed to real registries are found, fetched and unpacked."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from ramalama.errors import AccessDenied, ModelPullError, ModelUnsupported, UnknownModel
from ramalama.models.download.downloader import Downloader
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports.oci.client.registry import (
    Access,
    Purpose,
    RegistryClient,
    open_repository,
)
from ramalama.models.transports.oci.client.uploads import mount_blob, upload_blob
from ramalama.models.transports.oci.layers.content import Content
from ramalama.models.transports.oci.layers.unpack import unpack
from ramalama.models.transports.oci.transport import OciTransport, image_reference
from ramalama_engines import InvokingUser
from tests.doubles.oci_models import (
    DMR_CONFIG,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    FILEPATH,
    MODELPACK,
    MODELPACK_CONFIG,
    OCI_MANIFEST,
    Layer,
    Model,
    digest,
    make_index,
    make_model,
    put_model,
)
from tests.lab.foreign import oras, podman, serve_crane, skopeo
from tests.lab.registry import Login, Registry, serve_registry
from tests.lab.tiny_image import publish
from tests.lab.token_server import IDENTITY_TOKEN, TokenServer, serve_tokens

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from ramalama.models.download.values import FetchedBlob, RemoteBlob
    from ramalama.models.store.records import StoredFile
    from ramalama.models.transports.base import RemoteModel
    from tests.lab.certificates import Certificate

pytestmark = pytest.mark.engines

WEIGHTS = b"GGUF" + hashlib.shake_128(b"weights").digest(3_000_000)
CONFIG = b'{"architectures": []}'
LOGIN = Login(username="alice", password="wonder:land")  # noqa: S106 (it guards nothing)
CNCF = "application/vnd.cncf.model"

MODELPACK_MODEL = make_model(
    [
        Layer(
            type=f"{CNCF}.weight.v1.raw", content=WEIGHTS, annotations={FILEPATH: "tiny-Q4_0.gguf"}
        ),
        Layer(
            type=f"{CNCF}.weight.config.v1.raw",
            content=CONFIG,
            annotations={FILEPATH: "config.json"},
        ),
    ],
    config=Layer(type=MODELPACK_CONFIG, content=b'{"config": {"format": "gguf"}}'),
    artifact_type=MODELPACK,
)
DMR_MODEL = make_model(
    [
        Layer(type="application/vnd.docker.ai.gguf.v3", content=WEIGHTS),
        Layer(type="application/vnd.docker.ai.license", content=b"Apache"),
    ],
    config=Layer(type=DMR_CONFIG, content=b'{"config": {"format": "gguf"}}'),
)
OLLAMA_MODEL = make_model(
    [
        Layer(type="application/vnd.ollama.image.model", content=WEIGHTS),
        Layer(type="application/vnd.ollama.image.params", content=b"{}"),
    ],
    config=Layer(type=DOCKER_CONFIG, content=b'{"model_format": "gguf"}'),
    type_=DOCKER_MANIFEST,
)


class BlobStore:
    """Keeps contents in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)

    def find(self, digest: Digest) -> Path | None:
        path = self._directory / digest.hex
        return path if path.exists() else None

    def put(self, fetched: FetchedBlob) -> Path:
        return fetched.path.rename(self._directory / fetched.digest.hex)

    def read(self, file: StoredFile) -> bytes:
        return (self._directory / file.digest.hex).read_bytes()


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """A user who pulls, on a machine of their own below *root*."""

    root: Path
    access: Access

    def find(self, registry: Registry, name: str, tag: str = "1") -> RemoteModel:
        reference = ModelRef(Scheme.OCI, f"{registry.address}/{name}", tag)
        return OciTransport(self.access).find(reference, ModelFormat.GGUF)

    def pull(self, registry: Registry, name: str, tag: str = "1") -> dict[str, tuple[str, bytes]]:
        """Return kind and content of all files of a model."""
        found = self.find(registry, name, tag)
        files = {file.name: (str(file.kind), self.fetch(file.blob)) for file in found.files}
        return {**files, **(self.unpack(found) if found.archives else {})}

    def fetch(self, blob: RemoteBlob) -> bytes:
        """Fetch a blob, verified, onto our shelf."""
        blob_store = BlobStore(self.root / "shelf")
        return Downloader(self.root / "downloads").fetch(blob, blob_store).path.read_bytes()

    def unpack(self, found: RemoteModel) -> dict[str, tuple[str, bytes]]:
        layers = [self.root / f"layer-{number}" for number, _ in enumerate(found.archives)]
        for layer, archive in zip(layers, found.archives, strict=True):
            layer.write_bytes(self.fetch(archive.blob))
        blob_store, scratch = BlobStore(self.root / "unpacked"), self.root / "scratch"
        prefix = found.archives[0].prefix
        files = unpack(layers, blob_store, prefix=prefix, directory=scratch, name="m")
        return {file.name: (str(file.kind), blob_store.read(file)) for file in files}

    def open(self, registry: Registry, name: str, *mount_from: str) -> RegistryClient:
        reference = image_reference(ModelRef(Scheme.OCI, f"{registry.address}/{name}", "1"))
        return open_repository(reference, self.access, purpose=Purpose.PUSH, mount_from=mount_from)

    def trusting(self, registry: Registry) -> Somebody:
        """Return who has the certificate of the registry's authority, and verifies."""
        assert registry.certificate is not None
        directory = self.root / "etc/containers/certs.d" / registry.address
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes(registry.certificate.ca_file.read_bytes())
        return replace(self, access=replace(self.access, tls_verify=True))

    def logged_in(self, registry: Registry, entry: Mapping[str, str]) -> Somebody:
        """Return who has an entry for the registry in a file of passwords."""
        file = self.root / "auth.json"
        file.write_text(json.dumps({"auths": {registry.address: entry}}))
        return replace(self, access=replace(self.access, authfile=file))


def password(login: Login = LOGIN) -> dict[str, str]:
    encoded = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return {"auth": encoded}


@pytest.fixture
def somebody(tmp_path: Path) -> Generator[Somebody]:
    """Somebody who takes any certificate, and none, as `--tls-verify=false` says."""
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        user = InvokingUser(env={}, home=tmp_path / "home", uid=0, root=tmp_path)
        patience = RetryPolicy(tries=2, sleep=lambda _seconds: None)
        access = Access(open_http=open_client, user=user, tls_verify=False, retry_policy=patience)
        yield Somebody(root=tmp_path, access=access)


@pytest.fixture(scope="module")
def crane(lab: Path) -> Generator[Registry]:
    """Crane's registry: in memory, lax, and not Go's distribution project's."""
    with serve_crane(lab / "crane") as service:
        yield service


@pytest.fixture(params=["registry", "crane"])
def either(request: pytest.FixtureRequest) -> Registry:
    """Each of two independent registries."""
    found: Registry = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def tokens(lab: Path) -> Generator[TokenServer]:
    """A token service without TLS."""
    with serve_tokens(lab / "tokens", LOGIN) as service:
        yield service


@pytest.fixture(scope="module")
def token_registry(lab: Path, tokens: TokenServer) -> Generator[Registry]:
    """A registry that wants tokens."""
    with serve_registry(lab / "token-registry", tokens=tokens) as service:
        yield service


def write_layout(directory: Path, model: Model) -> None:
    """Lay a model out as skopeo's ``dir:`` has it."""
    directory.mkdir()
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    (directory / "manifest.json").write_bytes(model.manifest)
    for blob in model.blobs:
        (directory / digest(blob).removeprefix("sha256:")).write_bytes(blob)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            MODELPACK_MODEL,
            {"tiny-Q4_0.gguf": ("gguf", WEIGHTS), "config.json": ("other", CONFIG)},
        ),
        (DMR_MODEL, {"model.gguf": ("gguf", WEIGHTS), "LICENSE": ("license", b"Apache")}),
    ],
    ids=["ModelPack", "Docker Model Runner"],
)
def test_what_skopeo_pushed_is_pulled(
    either: Registry,
    somebody: Somebody,
    tmp_path: Path,
    model: Model,
    expected: dict[str, tuple[str, bytes]],
) -> None:
    name = f"skopeo/{'pack' if model is MODELPACK_MODEL else 'docker'}"
    write_layout(tmp_path / "model", model)
    target = f"docker://{either.address}/{name}:1"
    skopeo("copy", "--dest-tls-verify=false", f"dir:{tmp_path}/model", target)

    assert somebody.pull(either, name) == expected
    assert somebody.find(either, name).revision == digest(model.manifest)
    assert somebody.pull(either, name, digest(model.manifest)) == expected


def test_what_oras_pushed_is_pulled_with_its_directories(
    either: Registry, somebody: Somebody, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "extra/deep").mkdir(parents=True)
    (source / "tiny-Q4_0.gguf").write_bytes(WEIGHTS)
    (source / "extra/deep/config.json").write_bytes(CONFIG)
    (source / "extra/modeling.py").write_text("import os")
    reference = f"{either.address}/oras/model:1"
    oras("push", "--plain-http", reference, "tiny-Q4_0.gguf", "extra/", directory=source)

    assert somebody.pull(either, "oras/model") == {
        "tiny-Q4_0.gguf": ("gguf", WEIGHTS),
        "extra/deep/config.json": ("other", CONFIG),
    }


def test_what_oras_calls_a_model_pack_is_one(
    either: Registry, somebody: Somebody, tmp_path: Path
) -> None:
    (tmp_path / "smollm2").write_bytes(WEIGHTS)
    reference = f"{either.address}/oras/pack:1"
    words = ["--plain-http", "--artifact-type", MODELPACK, reference]
    oras("push", *words, f"smollm2:{CNCF}.weight.v1.raw", directory=tmp_path)

    assert somebody.pull(either, "oras/pack") == {"smollm2": ("gguf", WEIGHTS)}


RECIPE = """\
FROM scratch
LABEL org.containers.type=ai.image.model.raw
COPY models /models
"""
MODEL_FILES = {
    "smollm2/smollm2": ("gguf", WEIGHTS),
    "smollm2/config.json": ("other", CONFIG),
}


@pytest.fixture(scope="module")
def builder(lab: Path) -> Callable[..., str]:
    """Podman, which has built the image ``model`` as upstream's `push` does."""

    def run(*words: str) -> str:
        return podman(lab / "builder", *words)

    context = lab / "raw-image"
    files = context / "models/smollm2"
    files.mkdir(parents=True)
    (files / "smollm2").write_bytes(WEIGHTS)
    (files / "config.json").write_bytes(CONFIG)
    (context / "models/model.file").symlink_to("/models/smollm2/smollm2")
    (context / "Containerfile").write_text(RECIPE)
    run("build", "--isolation=chroot", "--tag=model", str(context))
    return run


def test_the_raw_image_that_podman_built_is_pulled(
    either: Registry, somebody: Somebody, builder: Callable[..., str]
) -> None:
    target = f"docker://{either.address}/podman/raw:1"
    builder("push", "--tls-verify=false", "model", target)

    assert somebody.pull(either, "podman/raw") == MODEL_FILES


def test_the_index_that_upstream_wraps_around_it_is_followed(
    registry: Registry, somebody: Somebody, builder: Callable[..., str]
) -> None:
    annotation = "--annotation=org.cncf.model.model=true"
    builder("manifest", "create", "wrapped")
    builder("manifest", "add", annotation, "wrapped", "containers-storage:localhost/model:latest")
    target = f"docker://{registry.address}/podman/index:1"
    builder("manifest", "push", "--all", "--tls-verify=false", "wrapped", target)

    assert somebody.pull(registry, "podman/index") == MODEL_FILES


def test_layers_that_are_compressed_with_zstd_are_read(
    registry: Registry, somebody: Somebody, builder: Callable[..., str], tmp_path: Path
) -> None:
    # Podman 4.3 sends the gzip that it remembers from another push; skopeo does what it is told.
    builder("save", "--format=oci-dir", f"--output={tmp_path}/plain", "model")
    as_zstd = ["--format=oci", "--dest-compress", "--dest-compress-format=zstd"]
    skopeo("copy", *as_zstd, f"oci:{tmp_path}/plain", f"dir:{tmp_path}/zstd")
    target = f"docker://{registry.address}/skopeo/zstd:1"
    skopeo("copy", "--dest-tls-verify=false", f"dir:{tmp_path}/zstd", target)

    found = somebody.find(registry, "skopeo/zstd")
    layers = [somebody.fetch(archive.blob) for archive in found.archives]
    assert [layer[:4] for layer in layers] == [b"\x28\xb5\x2f\xfd"] * len(layers)
    assert somebody.pull(registry, "skopeo/zstd") == MODEL_FILES


def test_an_ordinary_image_is_refused(either: Registry, somebody: Somebody) -> None:
    publish(either, "ordinary", "1", content=b"program")

    with pytest.raises(ModelUnsupported, match="is an image without a model"):
        somebody.find(either, "ordinary")


def test_ollamas_manifests_are_read_from_any_registry(either: Registry, somebody: Somebody) -> None:
    with either.client() as client:
        put_model(client, "ollama/model", "1", OLLAMA_MODEL)

    assert somebody.pull(either, "ollama/model") == {
        "model.gguf": ("gguf", WEIGHTS),
        "params.json": ("params", b"{}"),
    }


def test_an_index_may_hold_an_image_and_a_model(either: Registry, somebody: Somebody) -> None:
    with either.client() as client:
        image = publish(either, "mixed", "image", content=b"program")
        program = client.get(f"/v2/mixed/manifests/{image}", headers={"accept": OCI_MANIFEST})
        put_model(client, "mixed", "model", DMR_MODEL)
        index = make_index(
            {"mediaType": OCI_MANIFEST, "digest": image, "size": len(program.content)},
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest(DMR_MODEL.manifest),
                "size": len(DMR_MODEL.manifest),
                "annotations": {"org.cncf.model.model": "true"},
            },
        )
        put_model(client, "mixed", "1", index)

    assert [file.kind for file in somebody.find(either, "mixed").files] == [
        FileKind.GGUF,
        FileKind.LICENSE,
    ]


def test_a_missing_tag_is_an_error_that_says_which_there_are(
    either: Registry, somebody: Somebody
) -> None:
    with either.client() as client:
        for tag in ("q4", "q8"):
            put_model(client, "tags", tag, DMR_MODEL)

    with pytest.raises(UnknownModel, match=r"has no tags:q5; there are q[48], q[48]") as caught:
        somebody.find(either, "tags", "q5")
    expected = {f"oci://{either.address}/tags:{tag}" for tag in ("q4", "q8")}
    assert set(caught.value.alternatives) == expected


@pytest.mark.parametrize("version", ["1", f"sha256:{'0' * 64}"])
def test_a_missing_model_is_an_error(either: Registry, somebody: Somebody, version: str) -> None:
    with pytest.raises(UnknownModel, match=f"{either.address} has no no/such/model[:@]{version}$"):
        somebody.find(either, "no/such/model", version)


def test_a_blob_that_the_registry_lost_is_missed(registry: Registry, somebody: Somebody) -> None:
    with registry.client() as client:
        put_model(client, "lossy", "1", MODELPACK_MODEL)
        client.delete(f"/v2/lossy/blobs/{digest(WEIGHTS)}").raise_for_status()
    repository = somebody.open(registry, "lossy")

    assert not repository.has_blob(Digest.parse(digest(WEIGHTS)))
    assert repository.has_blob(Digest.parse(digest(CONFIG)))
    with pytest.raises(ModelPullError, match=r"tiny-Q4_0\.gguf"):
        somebody.pull(registry, "lossy")


def test_a_registry_that_has_gone_is_an_error(somebody: Somebody, lab: Path) -> None:
    with serve_crane(lab / "short-lived") as registry, registry.client() as client:
        put_model(client, "model", "1", DMR_MODEL)
        assert somebody.pull(registry, "model")

    with pytest.raises(ModelPullError, match=f"{registry.address} cannot be used: Connection ref"):
        somebody.find(registry, "model")


def test_a_registry_without_tls_must_be_asked_for(registry: Registry, somebody: Somebody) -> None:
    secure = replace(somebody, access=replace(somebody.access, tls_verify=True))

    with pytest.raises(ModelPullError, match=r"does not use TLS; .*--tls-verify=false"):
        secure.find(registry, "model")


def test_an_unknown_authority_must_be_made_known(
    tls_registry: Registry, somebody: Somebody
) -> None:
    with tls_registry.client() as client:
        put_model(client, "model", "1", DMR_MODEL)
    stranger = replace(somebody, access=replace(somebody.access, tls_verify=True))

    with pytest.raises(
        ModelPullError, match=f"not trusted .*certs.d/{tls_registry.address}/ca.crt"
    ):
        stranger.find(tls_registry, "model")
    assert somebody.pull(tls_registry, "model")["model.gguf"] == ("gguf", WEIGHTS)
    trusting = somebody.trusting(tls_registry)
    assert trusting.pull(tls_registry, "model")["model.gguf"] == ("gguf", WEIGHTS)


def test_a_password_opens_what_is_closed(password_registry: Registry, somebody: Somebody) -> None:
    with password_registry.client() as client:
        put_model(client, "model", "1", DMR_MODEL)
    login = password_registry.login
    assert login is not None
    stranger = somebody.trusting(password_registry)
    wrong = stranger.logged_in(
        password_registry,
        password(Login(username="alice", password="guess")),  # noqa: S106 (it opens nothing)
    )

    with pytest.raises(AccessDenied, match=r"requires a password .*ramalama login"):
        stranger.find(password_registry, "model")
    with pytest.raises(AccessDenied, match=r"does not accept 'alice' \(from .*auth.json\)"):
        wrong.find(password_registry, "model")
    known = stranger.logged_in(password_registry, password(login))
    assert known.pull(password_registry, "model")["model.gguf"] == ("gguf", WEIGHTS)


def push_with_password(registry: Registry, directory: Path, name: str) -> None:
    (directory / "tiny.gguf").write_bytes(WEIGHTS)
    words = ["--plain-http", "--username", LOGIN.username, "--password", LOGIN.password]
    oras("push", *words, f"{registry.address}/{name}:1", "tiny.gguf", directory=directory)


EXPECTED = {"tiny.gguf": ("gguf", WEIGHTS)}


def test_strangers_get_tokens_for_what_is_public(
    token_registry: Registry, tokens: TokenServer, somebody: Somebody, tmp_path: Path
) -> None:
    push_with_password(token_registry, tmp_path, "public/model")
    before = len(tokens.requests)

    assert somebody.pull(token_registry, "public/model") == EXPECTED
    asked = tokens.requests[before:]
    assert [request.scopes for request in asked] == [("repository:public/model:pull",)]
    assert asked[0].who is None


@pytest.mark.parametrize(
    "entry", [password(), {"identitytoken": IDENTITY_TOKEN}], ids=["password", "identity token"]
)
def test_a_login_gets_tokens_for_what_is_private(
    token_registry: Registry,
    tokens: TokenServer,
    somebody: Somebody,
    tmp_path: Path,
    entry: Mapping[str, str],
) -> None:
    push_with_password(token_registry, tmp_path, "private/model")

    with pytest.raises(AccessDenied, match="requires a password"):
        somebody.find(token_registry, "private/model")
    known = somebody.logged_in(token_registry, entry)
    assert known.pull(token_registry, "private/model") == EXPECTED
    assert tokens.requests[-1].who == LOGIN.username


def test_a_wrong_password_gets_no_token(token_registry: Registry, somebody: Somebody) -> None:
    guess = Login(username="alice", password="guess")  # noqa: S106 (it opens nothing)
    mallory = somebody.logged_in(token_registry, password(guess))

    with pytest.raises(AccessDenied, match=r"does not accept 'alice' .*token service .*\(401\)"):
        mallory.find(token_registry, "private/model")


def test_a_registry_with_tls_cannot_have_the_password_sent_without(
    lab: Path, tokens: TokenServer, trusted_certificate: Certificate, somebody: Somebody
) -> None:
    directory = lab / "downgrading-registry"
    with serve_registry(directory, certificate=trusted_certificate, tokens=tokens) as registry:
        known = somebody.trusting(registry).logged_in(registry, password())
        before = len(tokens.requests)

        with pytest.raises(ModelPullError, match="a token service without TLS"):
            known.find(registry, "public/model")
        assert len(tokens.requests) == before


def test_a_registry_with_tls_has_tokens_of_a_service_with_tls(
    lab: Path, trusted_certificate: Certificate, somebody: Somebody
) -> None:
    with (
        serve_tokens(lab / "tls-tokens", LOGIN, certificate=trusted_certificate) as service,
        serve_registry(
            lab / "tls-token-registry", certificate=trusted_certificate, tokens=service
        ) as registry,
    ):
        known = somebody.trusting(registry).logged_in(registry, password())
        client = known.open(registry, "private/model")
        upload_blob(client, Content((WEIGHTS,)), Digest.parse(digest(WEIGHTS)))

        assert client.has_blob(Digest.parse(digest(WEIGHTS)))
        assert {request.who for request in service.requests} == {LOGIN.username}


class RefusingLargeRequests(httpx2.HTTPTransport):
    """What stands in front of some registries: it takes no bodies of over a million bytes."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if int(request.headers.get("content-length", 0)) > 1_000_000:
            return httpx2.Response(413)
        return super().handle_request(request)


@pytest.mark.parametrize("behind_proxy", [False, True], ids=["at once", "in pieces"])
def test_blobs_and_manifests_are_pushed(
    either: Registry, somebody: Somebody, *, behind_proxy: bool
) -> None:
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            transport = RefusingLargeRequests(verify=verify) if behind_proxy else None
            client = httpx2.Client(transport=transport, verify=verify)
            return clients.enter_context(client)

        pusher = replace(somebody, access=replace(somebody.access, open_http=open_client))
        name = f"pushed/{'pieces' if behind_proxy else 'whole'}"
        client = pusher.open(either, name)
        for blob in MODELPACK_MODEL.blobs:
            upload_blob(client, Content((blob,)), Digest.parse(digest(blob)), piece=1_000_000)
        published = client.put_manifest("1", MODELPACK_MODEL.manifest, media_type=OCI_MANIFEST)

    assert str(published) == digest(MODELPACK_MODEL.manifest)
    assert somebody.pull(either, name)["tiny-Q4_0.gguf"] == ("gguf", WEIGHTS)


def test_a_blob_is_mounted_from_another_repository(registry: Registry, somebody: Somebody) -> None:
    with registry.client() as client:
        put_model(client, "origin", "1", DMR_MODEL)
    repository = somebody.open(registry, "copy", "origin")
    wanted = Digest.parse(digest(WEIGHTS))

    assert not mount_blob(repository, Digest.parse(digest(b"unknown")), source="origin")
    assert not repository.has_blob(wanted)
    assert mount_blob(repository, wanted, source="origin")
    assert repository.has_blob(wanted)


def test_a_hostile_layer_in_a_real_registry_does_no_harm(
    registry: Registry, somebody: Somebody
) -> None:
    layer = Layer(
        type=f"{CNCF}.weight.v1.tar+gzip", content=gzip.compress(b"not a tar archive" * 100)
    )
    with registry.client() as client:
        put_model(client, "hostile", "1", make_model([layer], artifact_type=MODELPACK))

    with pytest.raises(ModelPullError, match="cannot be unpacked: it is not a tar archive"):
        somebody.pull(registry, "hostile")

"""Images come from real registries into real engines, as the policy, password and TLS say."""

from __future__ import annotations

import base64
import io
import json
import socket
import socketserver
import tarfile
import threading
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ramalama_engines import (
    ContainerSpec,
    ImageNotFound,
    ImagePull,
    ImagePullError,
    ImageReference,
    InvokingUser,
    PullPolicy,
    RegistryAuth,
    UnsupportedOption,
    ensure_image,
    find_auth,
)
from tests.lab.registry import Login, serve_registry
from tests.lab.tiny_image import publish

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama_engines import Engine, PullProgress
    from tests.lab.registry import Registry
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

ALWAYS, MISSING, NEVER, NEWER = (
    ImagePull(policy=policy, tls_verify=False)
    for policy in (PullPolicy.ALWAYS, PullPolicy.MISSING, PullPolicy.NEVER, PullPolicy.NEWER)
)

STRANGER = RegistryAuth(username="alice", password="guess")  # noqa: S106 (it opens nothing)


@pytest.fixture
def repository(engine_service: EngineService) -> Generator[str]:
    """A name that no other test uses; what was pulled under it is removed afterwards."""
    name = f"pull-{uuid4().hex[:12]}"
    yield name
    with engine_service.client() as client:
        for image in client.get("/images/json", params={"all": "true"}).json():
            names = [tag for tag in image.get("RepoTags") or () if f"/{name}:" in tag]
            if names:
                client.delete(f"/images/{image['Id']}", params={"force": "true"}).raise_for_status()


@contextmanager
def hanging_up(times: int, address: str) -> Generator[str]:
    """Hang up on the first clients, and connect the others with *address*."""
    host, _, port = address.partition(":")

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if next(numbers) < times:
                return
            with socket.create_connection((host, int(port))) as registry:
                forth = threading.Thread(target=copy, args=(self.request, registry))
                forth.start()
                copy(registry, self.request)
                forth.join()

    numbers = count()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until *source* ends, then end *target*."""
    while block := source.recv(65536):
        target.sendall(block)
    with suppress(OSError):  # it has ended already
        target.shutdown(socket.SHUT_WR)


def content_of(engine: Engine, service: EngineService, image: str) -> bytes:
    """Make a container of *image*, and read the one file in it."""
    container = engine.create(ContainerSpec(image=image))
    try:
        with service.client() as client:
            query = {"path": "/content"}
            answer = client.get(f"/containers/{container}/archive", params=query)
    finally:
        engine.remove(container)
    with tarfile.open(fileobj=io.BytesIO(answer.raise_for_status().content)) as tar:
        file = tar.extractfile("content")
        assert file is not None
        return file.read()


@pytest.mark.parametrize("pull", [ALWAYS, MISSING, NEWER], ids=lambda pull: pull.policy)
def test_an_image_that_is_not_there_is_pulled_and_can_be_used(
    pull: ImagePull,
    engine: Engine,
    engine_service: EngineService,
    registry: Registry,
    repository: str,
) -> None:
    publish(registry, repository, "1", content=b"fresh")
    image = f"{registry.address}/{repository}:1"
    steps: list[PullProgress] = []

    found = ensure_image(engine, image, pull, on_progress=steps.append)

    assert found == engine.image(image)
    assert content_of(engine, engine_service, image) == b"fresh"
    assert any(step.layer for step in steps)


def test_never_asks_no_registry(engine: Engine, registry: Registry, repository: str) -> None:
    publish(registry, repository, "1", content=b"there")
    image = f"{registry.address}/{repository}:1"

    with pytest.raises(ImageNotFound, match=f"has no image {image}, and the pull policy is never"):
        ensure_image(engine, image, NEVER)
    assert engine.image(image) is None


@pytest.mark.parametrize("pull", [ALWAYS, MISSING, NEVER, NEWER], ids=lambda pull: pull.policy)
def test_always_and_newer_replace_a_local_image_by_the_registrys(
    pull: ImagePull,
    engine: Engine,
    engine_service: EngineService,
    registry: Registry,
    repository: str,
) -> None:
    image = f"{registry.address}/{repository}:1"
    publish(registry, repository, "1", content=b"old")
    old = ensure_image(engine, image, MISSING)
    publish(registry, repository, "1", content=b"new")

    found = ensure_image(engine, image, pull)

    replaced = pull in (ALWAYS, NEWER)
    assert (found.id != old.id) == replaced
    assert content_of(engine, engine_service, image) == (b"new" if replaced else b"old")


@pytest.mark.parametrize("pull", [ALWAYS, NEWER], ids=lambda pull: pull.policy)
def test_the_same_image_in_the_registry_stays_the_same(
    pull: ImagePull, engine: Engine, registry: Registry, repository: str
) -> None:
    image = f"{registry.address}/{repository}:1"
    digest = publish(registry, repository, "1", content=b"same")
    old = ensure_image(engine, image, MISSING)

    assert ensure_image(engine, image, pull).id == old.id
    assert any(digest in name for name in old.digests)


def test_an_image_is_pulled_by_its_digest(
    engine: Engine, engine_service: EngineService, registry: Registry, repository: str
) -> None:
    image = f"{registry.address}/{repository}:1"
    digest = publish(registry, repository, "1", content=b"pinned")
    ensure_image(engine, image, MISSING)  # gives it the tag by which it is removed again
    publish(registry, repository, "1", content=b"moved on")
    pinned = f"{registry.address}/{repository}@{digest}"

    found = ensure_image(engine, pinned, ALWAYS)

    assert found == engine.image(pinned)
    assert content_of(engine, engine_service, pinned) == b"pinned"


@pytest.mark.parametrize("pull", [ALWAYS, MISSING, NEWER], ids=lambda pull: pull.policy)
def test_a_missing_tag_is_an_error_that_says_so(
    pull: ImagePull, engine: Engine, registry: Registry, repository: str
) -> None:
    publish(registry, repository, "1", content=b"another tag")
    image = f"{registry.address}/{repository}:2"

    with pytest.raises(ImagePullError, match=f"cannot pull {image}: the registry has no such"):
        ensure_image(engine, image, pull)


def test_a_registry_that_is_gone_matters_only_to_who_needs_it(
    engine: Engine, repository: str, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "registry") as registry:
        image = f"{registry.address}/{repository}:1"
        publish(registry, repository, "1", content=b"kept")
        local = ensure_image(engine, image, MISSING)
    suppressed: list[ImagePullError] = []

    assert ensure_image(engine, image, MISSING) == local
    assert ensure_image(engine, image, NEVER) == local
    assert ensure_image(engine, image, NEWER, on_suppressed=suppressed.append) == local
    with pytest.raises(ImagePullError, match="the registry cannot be reached") as caught:
        ensure_image(engine, image, ALWAYS)
    assert [str(error) for error in suppressed] == [str(caught.value)]
    with pytest.raises(ImagePullError, match="the registry cannot be reached"):
        ensure_image(engine, image.replace(":1", ":2"), MISSING)


def test_plain_http_needs_leave_on_podman_and_none_on_docker(
    engine: Engine, registry: Registry, repository: str
) -> None:
    """Docker trusts whatever is on the loopback network, asked or not."""
    image = f"{registry.address}/{repository}:1"
    publish(registry, repository, "1", content=b"plain")
    pull = ImagePull(tls_verify=True)

    if engine.kind == "docker":
        assert ensure_image(engine, image, pull) == engine.image(image)
        return
    with pytest.raises(ImagePullError, match=r"HTTP response to HTTPS client"):
        ensure_image(engine, image, pull)


def test_a_certificate_of_a_trusted_authority_is_verified(
    engine: Engine, trusted_tls_registry: Registry, repository: str
) -> None:
    publish(trusted_tls_registry, repository, "1", content=b"trusted")
    image = f"{trusted_tls_registry.address}/{repository}:1"

    assert ensure_image(engine, image, ImagePull(tls_verify=True)) == engine.image(image)


def test_an_unknown_authority_is_refused_by_podman_unless_it_is_told_otherwise(
    engine: Engine, tls_registry: Registry, repository: str
) -> None:
    publish(tls_registry, repository, "1", content=b"private")
    image = f"{tls_registry.address}/{repository}:1"

    if engine.kind == "podman":
        with pytest.raises(ImagePullError, match=r"certificate cannot be verified.*--tls-verify"):
            ensure_image(engine, image, ImagePull(tls_verify=True))
        assert engine.image(image) is None
    assert ensure_image(engine, image, ImagePull(tls_verify=False)) == engine.image(image)


def test_docker_cannot_leave_a_registry_elsewhere_unverified(docker_engine: Engine) -> None:
    with pytest.raises(UnsupportedOption, match=r"registry\.invalid.*daemon\.json"):
        ensure_image(docker_engine, "registry.invalid/a:1", ImagePull(tls_verify=False))


def test_the_password_of_the_authfile_opens_the_registry(
    engine: Engine, password_registry: Registry, repository: str, tmp_path: Path
) -> None:
    publish(password_registry, repository, "1", content=b"secret")
    image = f"{password_registry.address}/{repository}:1"
    login = password_registry.login
    assert login is not None
    pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    authfile = tmp_path / "auth.json"
    authfile.write_text(json.dumps({"auths": {password_registry.address: {"auth": pair}}}))
    user = InvokingUser(env={}, home=tmp_path, uid=1000, root=tmp_path)

    found = find_auth(ImageReference.parse(image), user, authfile=authfile)

    assert ensure_image(engine, image, ImagePull(auth=found.auth)) == engine.image(image)


def test_a_wrong_password_is_refused_and_never_told(
    engine: Engine, password_registry: Registry, repository: str
) -> None:
    publish(password_registry, repository, "1", content=b"secret")
    image = f"{password_registry.address}/{repository}:1"

    with pytest.raises(ImagePullError, match="the registry denies access") as caught:
        ensure_image(engine, image, ImagePull(auth=STRANGER))

    assert STRANGER.password not in str(caught.value)
    assert engine.image(image) is None


def test_without_a_password_the_registry_stays_closed(
    engine: Engine, repository: str, tmp_path: Path
) -> None:
    login = Login(username="alice", password="wonderland")  # noqa: S106 (it guards nothing)
    # Without TLS: on loopback docker tries HTTP after a 401 over HTTPS, and tells of that alone.
    with serve_registry(tmp_path / "registry", login=login) as registry:
        publish(registry, repository, "1", content=b"secret")
        image = f"{registry.address}/{repository}:1"

        with pytest.raises(ImagePullError, match=r"the registry denies access"):
            ensure_image(engine, image, MISSING)
    assert engine.image(image) is None


def test_a_password_that_worked_once_is_not_remembered_for_others(
    engine: Engine, password_registry: Registry, repository: str
) -> None:
    publish(password_registry, repository, "1", content=b"secret")
    image = f"{password_registry.address}/{repository}:1"
    login = password_registry.login
    assert login is not None
    right = RegistryAuth(username=login.username, password=login.password)
    local = ensure_image(engine, image, ImagePull(auth=right))

    with pytest.raises(ImagePullError, match="the registry denies access"):
        ensure_image(engine, image, ImagePull(policy=PullPolicy.ALWAYS, auth=STRANGER))
    assert ensure_image(engine, image, ImagePull(policy=PullPolicy.NEWER, auth=STRANGER)) == local


def test_a_registry_that_hangs_up_first_is_asked_again(
    engine: Engine, registry: Registry, repository: str
) -> None:
    publish(registry, repository, "1", content=b"at last")
    steps: list[PullProgress] = []

    with hanging_up(4, registry.address) as address:
        image = f"{address}/{repository}:1"
        pull = ImagePull(tls_verify=False, attempts=5, pause=0.01)
        found = ensure_image(engine, image, pull, on_progress=steps.append)

    assert found == engine.image(image)

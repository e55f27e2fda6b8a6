"""What `ramalama push` sends to real registries, programs that others wrote can use."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.person import Person, make_person
from tests.lab.foreign import oras, run, serve_crane, skopeo
from tests.lab.registry import Login, Registry, serve_registry
from tests.lab.service import program
from tests.lab.tiny_image import publish
from tests.lab.token_server import serve_tokens

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.lab.certificates import Certificate
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

LOGIN = Login(username="alice", password="wonder:land")  # noqa: S106 (it guards nothing)
GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + hashlib.shake_128(b"weights").digest(3_000_000)
KINDS = ("artifact", "raw", "car")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


@pytest.fixture
def tiny(person: Person) -> Path:
    """A model that is a file of the user's own."""
    file = person.home / "tiny.gguf"
    file.write_bytes(GGUF)
    return file


@pytest.fixture(scope="module")
def push_tokens_registry(lab: Path, trusted_certificate: Certificate) -> Generator[Registry]:
    """A registry that wants tokens, over TLS as Docker Hub and Quay do."""
    with (
        serve_tokens(lab / "push-tokens", LOGIN, certificate=trusted_certificate) as tokens,
        serve_registry(
            lab / "push-bearer", certificate=trusted_certificate, tokens=tokens
        ) as registry,
    ):
        yield registry


@pytest.fixture(scope="module")
def push_crane(lab: Path) -> Generator[Registry]:
    """Crane's registry, which nobody of docker-registry's authors wrote."""
    with serve_crane(lab / "push-crane") as registry:
        yield registry


OPEN = ("registry", "push_crane")
CLOSED = ("trusted_tls_registry", "password_registry", "push_tokens_registry")


@pytest.fixture(params=[*OPEN, *CLOSED])
def anywhere(request: pytest.FixtureRequest, person: Person) -> Registry:
    """Registries of all habits; the user trusts them, and is logged in where that is asked for."""
    registry: Registry = request.getfixturevalue(request.param)
    if registry.certificate:
        person.trust(registry)
    if registry.login or registry.tokens:
        words = ("login", "-u", LOGIN.username, "--password-stdin", registry.address)
        assert person.run(*words, text=LOGIN.password).code == 0
    return registry


@pytest.fixture(params=OPEN)
def either(request: pytest.FixtureRequest) -> Registry:
    """Each of two independent registries without TLS."""
    registry: Registry = request.getfixturevalue(request.param)
    return registry


def push(person: Person, registry: Registry, name: str, *words: str) -> str:
    """Push a model, and return the manifest's digest."""
    target = f"oci://{registry.address}/{name}"
    verify = f"--tls-verify={'true' if registry.certificate else 'false'}"
    done = person.run("push", verify, *words, target)
    assert done.code == 0, done.err
    pushed, _, digest = done.out.strip().rpartition("@")
    assert pushed == f"oci://{registry.address}/{name.partition(':')[0]}"
    return digest


def push_kind(person: Person, registry: Registry, kind: str, file: Path) -> str:
    """Push *file* as the tag 1 of a repository that is named for *kind*."""
    base = f"{registry.address}/push/base:1"
    if kind == "car":
        publish(registry, "push/base", "1", content=b"base")
    words = ("--type", kind, "--carimage", base, str(file))
    return push(person, registry, f"push/{kind}:1", *words)


def inspect_raw(registry: Registry, name: str) -> bytes:
    reference = f"docker://{registry.address}/{name}"
    return skopeo("inspect", "--raw", "--tls-verify=false", reference).encode()


@pytest.mark.parametrize("kind", ["artifact", "raw"])
def test_a_model_gets_into_registries_of_all_habits(
    anywhere: Registry, person: Person, tiny: Path, kind: str, tmp_path: Path
) -> None:
    digest = push_kind(person, anywhere, kind, tiny)

    certificates = tmp_path / "certificates"
    certificates.mkdir()
    if anywhere.certificate:
        (certificates / "ca.crt").write_bytes(anywhere.certificate.ca_file.read_bytes())
    source = (f"--src-cert-dir={certificates}", f"docker://{anywhere.address}/push/{kind}:1")
    verify = f"--src-tls-verify={'true' if anywhere.certificate else 'false'}"
    words = ("--insecure-policy", "copy", verify, *source, f"dir:{tmp_path}/copy")
    copied = person.other("skopeo", *words)

    assert copied.code == 0, copied.err
    manifest = (tmp_path / "copy/manifest.json").read_bytes()
    assert digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    (layer,) = json.loads(manifest)["layers"]
    content = (tmp_path / "copy" / layer["digest"].removeprefix("sha256:")).read_bytes()
    assert content == GGUF if kind == "artifact" else GGUF in content


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_push_sends_nothing_and_gives_the_same_manifest(
    either: Registry, person: Person, tiny: Path, tmp_path: Path, kind: str
) -> None:
    first = push_kind(person, either, kind, tiny)
    other = make_person(tmp_path / "other")
    moved = other.home / "tiny.gguf"
    moved.write_bytes(tiny.read_bytes())
    words = ("push", "--tls-verify=false", "--type", kind)
    base = f"--carimage={either.address}/push/base:1"

    done = other.run(*words, base, str(moved), f"oci://{either.address}/push/{kind}:2")

    assert done.code == 0, done.err
    assert done.out.strip().endswith(f"@{first}")
    assert done.err == f"{either.address}/push/{kind}:2: the registry has all files already\n"
    assert inspect_raw(either, f"push/{kind}:1") == inspect_raw(either, f"push/{kind}:2")


def test_oras_pulls_an_artifact_by_its_titles(
    either: Registry, person: Person, tiny: Path, tmp_path: Path
) -> None:
    push_kind(person, either, "artifact", tiny)
    target = tmp_path / "pulled"
    target.mkdir()

    oras("pull", "--plain-http", f"{either.address}/push/artifact:1", directory=target)

    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"tiny.gguf": GGUF}


def unpack(layout: Path) -> Mapping[str, bytes]:
    """Return the files in all layers of what skopeo has copied to *layout*."""
    manifest = json.loads((layout / "manifest.json").read_text())
    found: dict[str, bytes] = {}
    for layer in manifest["layers"]:
        content = (layout / layer["digest"].removeprefix("sha256:")).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if member.isfile() and stream:
                    found[member.name] = stream.read()
    return found


def test_a_car_is_the_model_on_its_base(
    either: Registry, person: Person, tiny: Path, tmp_path: Path
) -> None:
    push_kind(person, either, "car", tiny)
    source = f"docker://{either.address}/push/car:1"

    skopeo("copy", "--src-tls-verify=false", source, f"dir:{tmp_path}/copy")
    told = json.loads(skopeo("inspect", "--tls-verify=false", source))

    assert unpack(tmp_path / "copy") == {"content": b"base", "models/tiny/tiny.gguf": GGUF}
    assert told["Labels"] == {"org.containers.type": "ai.image.model.car"}


def test_podman_mounts_a_raw_image_as_a_volume(
    registry: Registry,
    person: Person,
    tiny: Path,
    podman_service: EngineService,
    llama_image: str,
) -> None:
    push_kind(person, registry, "raw", tiny)
    image = f"{registry.address}/push/raw:1"
    podman = (program("podman"), "--url", podman_service.url)
    mount = f"type=image,source={image},destination=/mnt/volume"

    run([*podman, "pull", "--quiet", "--tls-verify=false", image])
    try:
        words = ("--rm", "--network=none", "--mount", mount, "--entrypoint=sha256sum", llama_image)
        summed = run([*podman, "run", *words, "/mnt/volume/models/model.file"])
    finally:
        run([*podman, "rmi", "--force", image])

    assert summed.split()[0] == hashlib.sha256(GGUF).hexdigest()


def test_what_was_pulled_from_one_repository_is_mounted_in_another(
    registry: Registry, person: Person, tiny: Path
) -> None:
    push(person, registry, "push/old:1", "--type=artifact", str(tiny))
    old = f"oci://{registry.address}/push/old:1"
    assert person.run("pull", "--tls-verify=false", old).code == 0

    done = person.run(
        *("push", "--tls-verify=false", "--type=artifact", old),
        f"oci://{registry.address}/push/new:1",
    )

    assert done.code == 0, done.err
    assert re.search(r"\([0-9]+ B of 3\.00 MB to send\)", done.err)  # the configuration
    (layer,) = json.loads(inspect_raw(registry, "push/new:1"))["layers"]
    assert layer["digest"] == f"sha256:{hashlib.sha256(GGUF).hexdigest()}"


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_pushed_is_pulled_again(
    either: Registry, person: Person, tiny: Path, kind: str
) -> None:
    push_kind(person, either, kind, tiny)
    reference = f"oci://{either.address}/push/{kind}:1"

    pulled = person.run("pull", "--tls-verify=false", reference)
    tiny.unlink()
    again = person.run("push", "--tls-verify=false", "--type=artifact", reference, reference)

    assert (pulled.code, pulled.err.count("Error")) == (0, 0), pulled.err
    assert again.code == 0, again.err
    (layer,) = json.loads(inspect_raw(either, f"push/{kind}:1"))["layers"]
    assert layer["digest"] == f"sha256:{hashlib.sha256(GGUF).hexdigest()}"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("nobody", "22: ollama://library/nobody:latest is not in an OCI registry"),
        ("nobody oci://ADDRESS/x", "2: ollama://library/nobody:latest is not on this machine"),
        ("FILE hf://org/repo", "22: hf://org/repo is not in an OCI registry"),
        ("FILE oci://ADDRESS/UPPER:1", "22: 'oci://ADDRESS/UPPER:1' does not name a model"),
        ("FILE oci://ADDRESS/push/x:1", "22: ADDRESS does not use TLS"),
        ("FILE oci://ADDRESS/x@sha256:DIGEST", "22: ADDRESS/x@sha256:DIGEST names a digest"),
        ("--type=zip FILE oci://ADDRESS/x:1", "2: argument --type: 'zip' is not one of"),
        ("/nonexistent.gguf oci://ADDRESS/x", "2: no such model file: /nonexistent.gguf"),
        ("FILE oci://localhost:1/x:1", "22: localhost:1 cannot be"),
        ("--type=car --carimage=A FILE oci://ADDRESS/x:1", "22: 'A' is not an image reference"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    registry: Registry, person: Person, tiny: Path, words: str, complaint: str
) -> None:
    def filled(text: str) -> str:
        text = text.replace("ADDRESS", registry.address).replace("FILE", str(tiny))
        return text.replace("DIGEST", "1" * 64)

    done = person.run("--quiet", "push", *filled(words).split())

    assert f"{done.code}: {done.complaint}".startswith(filled(complaint))


def test_a_registry_that_wants_a_login_says_how(
    password_registry: Registry, person: Person, tiny: Path
) -> None:
    person.trust(password_registry)
    address = password_registry.address

    done = person.run("-q", "push", str(tiny), f"oci://{address}/push/x:1")

    assert done.code == 22
    assert f"`ramalama login {address}`" in done.complaint


def test_a_dry_run_sends_nothing(registry: Registry, person: Person, tiny: Path) -> None:
    target = f"oci://{registry.address}/push/dry:1"

    done = person.run("push", "--dryrun", str(tiny), target)

    assert done.code == 0
    assert done.err == f"would do: ramalama push --type raw {tiny} {target}\n"
    with registry.client() as client:
        assert client.get("/v2/push/dry/tags/list").status_code == 404

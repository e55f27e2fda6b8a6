"""Logins are shared with podman and skopeo, on real registries, and never shown."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.integration.cli import eventually
from tests.integration.person import Person, make_person
from tests.lab.registry import Login, Registry, serve_registry
from tests.lab.token_server import serve_tokens

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.certificates import Certificate

pytestmark = pytest.mark.engines

LOGIN = Login(username="alice", password="wonder:land")  # noqa: S106 (it guards nothing)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


@pytest.fixture(scope="module")
def bearer_registry(lab: Path, trusted_certificate: Certificate) -> Generator[Registry]:
    """A registry that wants tokens, over TLS as Docker Hub and Quay do."""
    directory = lab / "login-tokens"
    with (
        serve_tokens(directory, LOGIN, certificate=trusted_certificate) as tokens,
        serve_registry(
            lab / "login-bearer", certificate=trusted_certificate, tokens=tokens
        ) as registry,
    ):
        yield registry


@pytest.fixture(params=["password_registry", "bearer_registry"])
def closed(request: pytest.FixtureRequest, person: Person) -> Registry:
    """Each of two registries that let nobody in who is unknown; their authority is trusted."""
    registry: Registry = request.getfixturevalue(request.param)
    person.trust(registry)
    if registry.tokens:  # skopeo and the command hold the token service's certificate to the same
        assert registry.tokens.url.startswith("https://")
    return registry


def log_in(person: Person, registry: Registry, password: str = LOGIN.password) -> int:
    words = ("login", "--username", LOGIN.username, "--password-stdin", registry.address)
    return person.run(*words, text=f"{password}\n").code


def test_podman_and_skopeo_find_our_login(closed: Registry, person: Person) -> None:
    assert log_in(person, closed) == 0

    for program in ("podman", "skopeo"):
        found = person.other(program, "login", "--get-login", closed.address)
        assert (found.code, found.out.strip()) == (0, LOGIN.username)
    assert stat.S_IMODE(person.logins.stat().st_mode) == 0o600
    assert stat.S_IMODE(person.logins.parent.stat().st_mode) == 0o700


def test_skopeo_gets_in_with_our_login_and_not_after_our_logout(
    closed: Registry, person: Person, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    copy = (
        *("--insecure-policy", "copy", f"--dest-cert-dir={person.home}/certs"),
        *(f"dir:{layout}", f"docker://{closed.address}/login/empty:1"),
    )
    (person.home / "certs").mkdir()
    assert closed.certificate
    (person.home / "certs/ca.crt").write_bytes(closed.certificate.ca_file.read_bytes())
    write_empty_artifact(layout)

    assert log_in(person, closed) == 0
    inside = person.other("skopeo", *copy)
    assert person.run("logout", closed.address).code == 0
    outside = person.other("skopeo", *copy)

    assert inside.code == 0, inside.err
    assert outside.code != 0
    assert json.loads(person.logins.read_text()) == {"auths": {}}


def write_empty_artifact(directory: Path) -> None:
    """Lay an artifact out as skopeo's ``dir:`` has it, with nothing in it but ``{}``."""
    blob = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": f"sha256:{blob}",
        "size": 2,
    }
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described,
        "layers": [],
    }
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / blob).write_text("{}")


@pytest.mark.parametrize("program", ["podman", "skopeo"])
def test_our_logout_ends_their_login_and_theirs_ours(
    password_registry: Registry, person: Person, program: str
) -> None:
    address = password_registry.address
    person.trust(password_registry)
    words = ("login", "-u", LOGIN.username, "--password-stdin", "--tls-verify=false", address)

    theirs = person.other(program, *words, text=LOGIN.password)
    assert theirs.code == 0, theirs.err
    before = person.logins.read_bytes()
    assert log_in(person, password_registry) == 0
    assert person.logins.read_bytes() == before

    assert person.other(program, "logout", address).code == 0
    assert "not logged in to" in person.run("logout", address).complaint
    assert person.other(program, *words, text=LOGIN.password).code == 0
    assert person.run("logout", address).code == 0
    assert person.other(program, "login", "--get-login", address).code != 0


def test_an_authfile_is_shared_too(password_registry: Registry, person: Person) -> None:
    person.trust(password_registry)
    address, file = password_registry.address, f"--authfile={person.home}/mine.json"
    words = ("-u", LOGIN.username, "--password-stdin", file, address)

    assert person.run("login", *words, text=LOGIN.password).code == 0

    assert person.other("skopeo", "login", "--get-login", file, address).out.strip() == "alice"
    assert not person.logins.exists()


def test_the_terminal_is_asked_and_shows_no_password(
    password_registry: Registry, person: Person
) -> None:
    person.trust(password_registry)
    child = person.terminal("login", password_registry.address)
    child.expect_exact(f"User name for {password_registry.address}: ")
    child.sendline(LOGIN.username)
    child.expect_exact("Password: ")
    eventually(lambda: not child.getecho())
    child.sendline(LOGIN.password)
    child.expect_exact(f"Logged in to {password_registry.address} as {LOGIN.username}")
    shown = f"{child.before}{child.after}"
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert LOGIN.password not in f"{shown}{child.before}"
    found = person.other("skopeo", "login", "--get-login", password_registry.address)
    assert found.out.strip() == LOGIN.username


def test_ctrl_c_at_the_password_ends_it_and_gives_the_echo_back(
    password_registry: Registry, person: Person
) -> None:
    child = person.terminal("login", "-u", "alice", password_registry.address)
    child.expect_exact("Password: ")
    eventually(lambda: not child.getecho())
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 130
    assert not person.logins.exists()


@pytest.mark.parametrize("password", [LOGIN.password, "open sesame"])
def test_what_is_logged_shows_no_password(closed: Registry, person: Person, password: str) -> None:
    words = ("--debug", "login", "-u", LOGIN.username, "--password-stdin", closed.address)

    done = person.run(*words, text=password)

    assert done.code == (0 if password == LOGIN.password else 22)
    assert "httpcore" in done.err  # something was logged
    encoded = b64encode(f"{LOGIN.username}:{password}".encode()).decode()
    assert [secret for secret in (password, encoded) if secret in done.err] == []


def test_a_wrong_password_is_not_remembered(closed: Registry, person: Person) -> None:
    done = person.run("login", "-ualice", "--password-stdin", closed.address, text="open sesame")

    assert done.code == 22
    assert done.complaint == (
        f"{closed.address} does not accept 'alice' with this password; nothing was saved"
    )
    assert not person.logins.exists()


def test_a_registry_that_nobody_vouches_for_gets_no_password(
    tls_registry: Registry, person: Person
) -> None:
    words = ("login", "-ualice", "--password-stdin", tls_registry.address)

    refused = person.run(*words, text="open sesame")
    taken = person.run(*words, "--tls-verify=false", text="open sesame")

    assert refused.code == 22
    assert "certificate" in refused.complaint
    assert "--tls-verify=false" in refused.complaint
    assert taken.code == 0

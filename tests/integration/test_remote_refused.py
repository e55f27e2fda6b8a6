"""A command whose engine elsewhere is not reached: one line, the exit code, and nothing is left."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli import SMALL, Cli, user_of
from tests.lab.sshd import SshService, make_key, sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ramalama_engines.address import EngineAddress
    from tests.integration.cli import Done
    from tests.lab.certificates import Authority
    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen")]

PASSWORD: Final = "hunter2"  # noqa: S105 (it opens nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a way to the engine needs: the engine, an ssh service before it, files of TLS."""

    service: EngineService
    ssh: SshService
    tls: EngineAddress
    authority: Authority
    directory: Path

    def home(self, *, config: str = "") -> Path:
        """Return a home directory that is let in, with more settings of ssh."""
        home = self.directory / "home"
        shutil.copytree(self.ssh.home, home)
        with (home / ".ssh/config").open("a") as file:
            file.write(config)
        return home

    @property
    def url(self) -> str:
        return self.ssh.url(self.service.socket)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to an engine; *said* is what a command says when it ends with *code* there."""

    home: Path
    url: str
    said: str
    code: int = 125
    env: dict[str, str] = field(default_factory=dict[str, str])


@contextmanager
def another_service(place: Place, *settings: str) -> Generator[tuple[SshService, Path]]:
    with sshd(place.directory / "sshd", *settings) as service:
        yield service, service.home


def host_that_is_not_known(place: Place, _: ExitStack) -> Way:
    home = place.home()
    (home / ".ssh/known_hosts").unlink()
    return Way(home, place.url, "is not known (ED25519 key SHA256:")


def host_whose_key_has_changed(place: Place, _: ExitStack) -> Way:
    home = place.home()
    make_key(place.directory / "old")
    kind, key, _comment = (place.directory / "old.pub").read_text().split()
    known = f"[127.0.0.1]:{place.ssh.port} {kind} {key}\n"
    (home / ".ssh/known_hosts").write_text(known)
    return Way(home, place.url, "has changed, so it may be another host")


def key_that_is_refused(place: Place, _: ExitStack) -> Way:
    home = place.home()
    make_key(place.directory / "other")
    (home / ".ssh/config").write_text(f"IdentityFile {place.directory}/other\n")
    return Way(home, place.url, "the host accepts none of the user's keys")


def host_that_forwards_no_sockets(place: Place, stack: ExitStack) -> Way:
    service, home = stack.enter_context(another_service(place, "AllowStreamLocalForwarding no"))
    return Way(home, service.url(place.service.socket), "its ssh service forwards no sockets")


def socket_that_is_not_there(place: Place, _: ExitStack) -> Way:
    url = place.ssh.url("/run/none/podman.sock")
    return Way(place.home(), url, "nothing listens at /run/none/podman.sock on root@127.0.0.1")


def host_that_has_no_address(place: Place, _: ExitStack) -> Way:
    return Way(
        place.home(), "ssh://me@nowhere.invalid/x.sock", "nowhere.invalid cannot be resolved"
    )


def port_where_nothing_listens(place: Place, stack: ExitStack) -> Way:
    free = stack.enter_context(socket.socket())
    free.bind(("127.0.0.1", 0))
    url = f"ssh://root@127.0.0.1:{free.getsockname()[1]}{place.service.socket}"
    return Way(place.home(), url, "no ssh service listens there")


def host_that_does_not_answer(place: Place, stack: ExitStack) -> Way:
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    url = f"ssh://root@127.0.0.1:{silent.getsockname()[1]}{place.service.socket}"
    return Way(place.home(config="ConnectTimeout 1\n"), url, "no answer within 1 second;")


def address_with_a_password(place: Place, _: ExitStack) -> Way:
    url = f"ssh://root:{PASSWORD}@127.0.0.1:{place.ssh.port}{place.service.socket}"
    return Way(place.home(), url, "it must not contain a password", code=22)


def certificate_that_has_expired(place: Place, _: ExitStack) -> Way:
    files = place.directory / "certificates"
    files.mkdir()
    user = place.authority.issue("late", hosts=["late"], expired=True)
    for source, name in ((user.ca_file, "ca"), (user.certificate, "cert"), (user.key, "key")):
        shutil.copy(source, files / f"{name}.pem")
    env = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(files), "DOCKER_HOST": place.tls.url}
    said = "cert.pem: has it expired, or another authority?"
    return Way(place.home(), "", said, env=env)


WAYS: Final = (
    host_that_is_not_known,
    host_whose_key_has_changed,
    key_that_is_refused,
    host_that_forwards_no_sockets,
    socket_that_is_not_there,
    host_that_has_no_address,
    port_where_nothing_listens,
    host_that_does_not_answer,
    address_with_a_password,
    certificate_that_has_expired,
)


@pytest.fixture(scope="module")
def ssh(lab: Path) -> Generator[SshService]:
    """The ssh service before the engine."""
    with sshd(lab / "sshd-that-refuses") as service:
        yield service


@pytest.fixture
def place(
    podman_service: EngineService,
    ssh: SshService,
    docker_over_tls: EngineAddress,
    engines_authority: Authority,
    tmp_path: Path,
) -> Place:
    """Everything that a way may need."""
    return Place(
        service=podman_service,
        ssh=ssh,
        tls=docker_over_tls,
        authority=engines_authority,
        directory=tmp_path,
    )


@pytest.fixture
def user(podman_service: EngineService, lab: Path) -> Generator[Cli]:
    """A user, of whom nothing may be left."""
    with user_of(podman_service, lab) as user:
        yield user


def go(user: Cli, way: Way, *words: str) -> Done:
    env = {"HOME": str(way.home), "RAMALAMA_ENGINE_URL": way.url, **way.env}
    unset = {name: "" for name in ("CONTAINER_HOST", "DOCKER_HOST") if name not in way.env}
    return user.run(*words, env={**env, **unset})


@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_each_command_says_in_one_line_why_there_is_no_engine(
    make: Callable[[Place, ExitStack], Way], place: Place, user: Cli, model: Path
) -> None:
    with ExitStack() as stack:
        way = make(place, stack)
        listed = go(user, way, "ps")
        answered = go(user, way, "run", *SMALL, str(model), "Hello!")
        informed = go(user, way, "info")

    for done in (listed, answered):
        assert way.said in done.complaint
        assert done.code == way.code
    if way.code == 125:  # else the settings cannot be used for anything
        assert way.said in json.loads(informed.out)["Engine"]["Error"]
    assert PASSWORD not in listed.err + answered.err + informed.out + informed.err


def test_one_session_is_enough_for_a_command(place: Place, user: Cli, model: Path) -> None:
    with another_service(place, "MaxSessions 1") as (service, home):
        way = Way(home, service.url(place.service.socket), "")
        answered = go(user, way, "run", *SMALL, "--max-tokens=2", str(model), "Hello!")
        listed = go(user, way, "ps", "--noheading")

    assert answered.code == 0, answered.err
    assert answered.out.strip()
    assert (listed.code, listed.out, listed.err) == (0, "", "")

"""Who is let in, and which host is trusted: against an ssh service in this process."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.asking import Question
from ramalama_engines.ssh.route import SshRoute
from ramalama_engines.ssh.settings import read_settings
from ramalama_engines.ssh.target import SshTarget
from tests.doubles.ssh_server import serve_ssh

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


PASSWORD = "secret"  # noqa: S105 (it guards nothing)
PASSPHRASE = "open sesame"  # noqa: S105
CONNECT = """\
import os, socket, sys, threading
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def down():
    while data := connection.recv(65536):
        os.write(1, data)
threading.Thread(target=down, daemon=True).start()
while data := os.read(0, 65536):
    connection.sendall(data)
"""


@dataclass
class Home:
    """A user's home directory, and what the user answers."""

    path: Path
    answers: list[str | None] = field(default_factory=list[str | None])
    asked: list[Question] = field(default_factory=list[Question])
    socket: Path | None = None

    @property
    def ssh(self) -> Path:
        return self.path / ".ssh"

    @property
    def known(self) -> str:
        file = self.ssh / "known_hosts"
        return file.read_text() if file.exists() else ""

    def key(self, name: str, *, passphrase: str | None = None, public: bool = True) -> Path:
        """Make a key in the directory of the user's."""
        made: Any = asyncssh.generate_private_key("ssh-ed25519", name)  # pyright: ignore[reportUnknownMemberType]
        made.write_private_key(self.ssh / name, passphrase=passphrase, rounds=50)
        self.ssh.joinpath(name).chmod(0o600)
        made.write_public_key(self.path / f"{name}.authorized")
        if public:
            made.write_public_key(self.ssh / f"{name}.pub")
        return self.path / f"{name}.authorized"

    def configure(self, *lines: str) -> None:
        # The system's own settings come after, and may hash them.
        (self.ssh / "config").write_text("\n".join([*lines, "Host *", "HashKnownHosts no", ""]))

    def know(self, port: int, *keys: Path, host: str = "127.0.0.1", marker: str = "") -> None:
        with (self.ssh / "known_hosts").open("a") as file:
            for key in keys:
                public = asyncssh.read_private_key(key).export_public_key().decode()
                file.write(f"{marker}[{host}]:{port} {public}")

    def ask(self, question: Question) -> str | None:
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else None

    def enter(self, port: int, *, host: str = "127.0.0.1", user: str = "me", **more: object) -> str:
        """Dial a socket through the service; return what it says."""
        url = f"ssh://{user}@{host}:{port}{self.socket}" if port else f"ssh://{host}{self.socket}"
        address = EngineAddress(url=url, **more)  # type: ignore[arg-type]
        with (
            closing(SshRoute(address, lambda: self.path / "s", ask=self.ask)) as route,
            route.dial(10) as connection,
        ):
            return connection.recv(5).decode()

    def refused(self, port: int, **more: object) -> str:
        """Return why the user is not let in."""
        with pytest.raises(EngineUnavailable) as caught:
            self.enter(port, **more)  # type: ignore[arg-type]
        assert caught.value.exit_code == 125
        assert "\n" not in str(caught.value)
        assert str(caught.value).isprintable()
        return str(caught.value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Home]:
    made = Home(tmp_path / "home", socket=tmp_path / "e")
    made.ssh.mkdir(parents=True, mode=0o700)
    made.configure()
    monkeypatch.setenv("HOME", str(made.path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made.socket))
        listener.listen()
        thread = threading.Thread(target=greet, args=(listener,))
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def greet(listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            client.sendall(b"hello")


@pytest.fixture
def host_key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "host")


def make_key(path: Path, kind: str = "ssh-ed25519") -> Path:
    made: Any = asyncssh.generate_private_key(kind)  # pyright: ignore[reportUnknownMemberType]
    made.write_private_key(path)
    return path


# Hosts


def test_a_known_host_lets_a_user_with_a_key_in(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, host_key)

        assert home.enter(port) == "hello"
        assert home.asked == []


def test_an_unknown_host_is_refused_with_its_fingerprint_and_what_adds_it(
    home: Home, host_key: Path
) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        said = home.refused(port)

    fingerprint = asyncssh.read_private_key(host_key).get_fingerprint()
    assert f"[127.0.0.1]:{port} is not known (ED25519 key {fingerprint})" in said
    assert f"ssh -p {port} me@127.0.0.1" in said
    assert not home.asked[0].is_secret
    assert home.known == ""


@pytest.mark.parametrize("answer", ["yes", "fingerprint"])
def test_a_host_that_the_user_accepts_is_remembered(
    answer: str, home: Home, host_key: Path
) -> None:
    if answer == "fingerprint":
        answer = asyncssh.read_private_key(host_key).get_fingerprint()
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.answers = [answer]

        assert home.enter(port) == "hello"
        assert home.enter(port) == "hello"

    assert len(home.asked) == 1
    assert home.known.startswith(f"[127.0.0.1]:{port} ssh-ed25519 ")


@pytest.mark.parametrize("answer", ["no", "", "y"])
def test_a_host_that_the_user_does_not_accept_is_refused(
    answer: str, home: Home, host_key: Path
) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.answers = [answer]
        assert "is not known" in home.refused(port)


def test_a_new_host_is_accepted_if_the_settings_say_so(home: Home, host_key: Path) -> None:
    home.configure("StrictHostKeyChecking accept-new", "HashKnownHosts yes")
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        assert home.enter(port) == "hello"
        assert home.known.startswith("|1|")
        home.configure("StrictHostKeyChecking yes")
        assert home.enter(port) == "hello"


@pytest.mark.parametrize("policy", ["yes", "ask", "accept-new"])
def test_a_host_whose_key_has_changed_is_refused(policy: str, home: Home, host_key: Path) -> None:
    home.configure(f"StrictHostKeyChecking {policy}")
    home.answers = ["yes"]
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, make_key(home.path / "old"))

        said = home.refused(port)

    assert "has changed" in said
    assert f"ssh-keygen -R '[127.0.0.1]:{port}'" in said
    assert home.asked == []


def test_a_changed_host_gets_no_password_even_if_the_settings_accept_it(
    home: Home, host_key: Path
) -> None:
    home.configure("StrictHostKeyChecking no")
    home.answers = [PASSWORD] * 9
    with serve_ssh(host_key, password=PASSWORD, authorized=home.key("id_ed25519")) as port:
        home.know(port, make_key(home.path / "old"))
        assert home.enter(port) == "hello"
        (home.ssh / "id_ed25519").unlink()
        (home.ssh / "id_ed25519.pub").unlink()
        home.refused(port)

    assert home.asked == []


def test_a_host_that_is_known_by_a_key_of_another_kind_is_unknown_by_this_one(
    home: Home, host_key: Path
) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, make_key(home.path / "old", "ecdsa-sha2-nistp256"))
        assert "is not known" in home.refused(port)


def test_a_revoked_key_is_refused_by_every_policy(home: Home, host_key: Path) -> None:
    home.configure("StrictHostKeyChecking no")
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, host_key, marker="@revoked ")
        assert "revoked" in home.refused(port)


def test_a_host_with_a_certificate_is_known_by_its_authority_or_accepted_by_its_key(
    home: Home, host_key: Path
) -> None:
    authority = make_key(home.path / "authority")
    signer = asyncssh.read_private_key(authority)
    certificate = signer.generate_host_certificate(
        asyncssh.read_private_key(host_key), "host", principals=["127.0.0.1"]
    )
    certificate.write_certificate(home.path / "host-cert.pub")
    both = (host_key, home.path / "host-cert.pub")
    with serve_ssh(both, authorized=home.key("id_ed25519")) as port:
        home.configure("StrictHostKeyChecking accept-new")
        assert home.enter(port) == "hello"
        (home.ssh / "known_hosts").unlink()
        home.configure("StrictHostKeyChecking yes")
        home.know(port, authority, marker="@cert-authority ")
        assert home.enter(port) == "hello"


def test_lines_that_are_not_valid_are_skipped_and_missing_files_too(
    home: Home, host_key: Path
) -> None:
    home.configure(
        "UserKnownHostsFile ~/.ssh/none %d/.ssh/known_hosts",
        "IdentityFile ~/.ssh/none",
        "IdentityFile ~/.ssh/id_ed25519",
    )
    (home.ssh / "known_hosts").write_text("nonsense\n|1|x|y ssh-rsa AAAA\n@what x y\n\xff\n")
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, host_key)
        assert home.enter(port) == "hello"


def test_the_key_of_a_machine_on_this_host_is_not_checked(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, authorized=home.key("machine")) as port:
        identity = home.ssh / "machine"
        assert home.enter(port, identity_file=identity, is_machine=True) == "hello"
        assert "is not known" in home.refused(port, identity_file=identity)


# Settings


def test_an_alias_of_the_settings_says_where_and_as_whom(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, authorized=home.key("other")) as port:
        (home.ssh / "more").write_text(
            f"Host Box\n HostName 127.0.0.1\n Port {port}\n User you\n HostKeyAlias box\n"
            " IdentityFile ~/.ssh/other\n IdentitiesOnly yes\n"
        )
        home.configure("Include more")
        public = asyncssh.read_private_key(host_key).export_public_key().decode()
        (home.ssh / "known_hosts").write_text(f"box {public}")

        assert home.enter(0, host="Box") == "hello"


def test_a_host_is_reached_over_others_each_by_its_own_settings(home: Home, host_key: Path) -> None:
    authorized = home.key("id_ed25519")
    first_key = make_key(home.path / "first")
    with (
        serve_ssh(first_key, authorized=authorized) as first,
        serve_ssh(host_key, authorized=authorized) as port,
    ):
        home.configure(
            f"Host jump\n HostName 127.0.0.1\n Port {first}\n StrictHostKeyChecking accept-new\n"
            "Host last\n HostName 127.0.0.1\n ProxyJump jump\n"
        )
        home.know(port, host_key)
        assert home.enter(port, host="last") == "hello"
        assert f":{first} " in home.known
        home.configure("Host 127.0.0.1\n ProxyJump a\nHost a\n ProxyJump 127.0.0.1\n")
        assert "more than 8 hosts" in home.refused(port)


def test_a_command_of_the_settings_is_run_by_a_shell(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, host_key)
        ran = home.path / "ran"
        (home.path / "p.py").write_text(CONNECT)
        home.configure(f"ProxyCommand sh -c 'touch {ran}; exec python3 {home.path}/p.py %p'")
        assert home.enter(port) == "hello"
        assert ran.exists()


@pytest.mark.parametrize("line", ["Port many", "Match nonsense x", "ServerAliveInterval soon"])
def test_settings_that_are_not_valid_are_told(line: str, home: Home) -> None:
    home.configure(line)
    assert "ssh's settings are not valid" in home.refused(1)


# Users


def test_a_user_without_a_key_of_the_host_is_refused(home: Home, host_key: Path) -> None:
    authorized = home.key("other")
    home.key("id_ed25519")
    with serve_ssh(host_key, authorized=authorized) as port:
        home.know(port, host_key)
        assert "accepts none of the user's keys" in home.refused(port)
        assert home.enter(port, identity_file=home.ssh / "other") == "hello"


@pytest.mark.parametrize("public", [True, False], ids=["with-its-public-part", "alone"])
def test_a_passphrase_is_asked_for_and_not_shown(
    public: bool,  # noqa: FBT001 (a parameter)
    home: Home,
    host_key: Path,
) -> None:
    authorized = home.key("id_ed25519", passphrase=PASSPHRASE, public=public)
    with serve_ssh(host_key, authorized=authorized) as port:
        home.know(port, host_key)
        home.answers = ["wrong", PASSPHRASE]
        assert home.enter(port) == "hello"
        assert all(question.is_secret for question in home.asked)


@pytest.mark.parametrize("public", [True, False], ids=["with-its-public-part", "alone"])
def test_a_key_whose_passphrase_is_not_given_is_told_with_what_unlocks_it(
    public: bool,  # noqa: FBT001 (a parameter)
    home: Home,
    host_key: Path,
) -> None:
    authorized = home.key("id_ed25519", passphrase=PASSPHRASE, public=public)
    with serve_ssh(host_key, authorized=authorized) as port:
        home.know(port, host_key)
        said = home.refused(port)

    assert f"ssh-add {home.ssh}/id_ed25519" in said


@pytest.mark.parametrize("public", [True, False], ids=["with-its-public-part", "alone"])
def test_a_passphrase_is_asked_for_once_for_all_hosts_and_connections(
    public: bool,  # noqa: FBT001 (a parameter)
    home: Home,
    host_key: Path,
) -> None:
    authorized = home.key("id_ed25519", passphrase=PASSPHRASE, public=public)
    with (
        serve_ssh(host_key, authorized=authorized) as first,
        serve_ssh(host_key, authorized=authorized) as port,
    ):
        home.know(first, host_key)
        home.know(port, host_key)
        home.configure(
            f"Host jump\n HostName 127.0.0.1\n Port {first}\n"
            "Host last\n HostName 127.0.0.1\n ProxyJump me@jump\n"
        )
        home.answers = [PASSPHRASE]
        assert home.enter(port, host="last") == "hello"
        assert home.enter(port) == "hello"
        home.key("id_ed25519", passphrase=PASSPHRASE[::-1], public=public)
        home.answers = [PASSPHRASE[::-1]]
        assert home.enter(port) == "hello"

    assert len(home.asked) == 2


def test_the_agent_is_the_one_that_the_settings_name(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("OTHER_AGENT", "/run/other")
    found: list[str | None] = []
    for line in (
        "",
        "IdentityAgent SSH_AUTH_SOCK",
        "IdentityAgent none",
        "IdentityAgent $OTHER_AGENT",
        "IdentityAgent ${OTHER_AGENT}",
        "IdentityAgent $NOT_SET",
        "IdentityAgent ~/agent",
    ):
        home.configure(line)
        found.append(read_settings(SshTarget.parse("ssh://gpu")).agent)

    usual, other = "/run/usual", "/run/other"
    assert found == [usual, usual, None, other, other, None, f"{home.path}/agent"]


@pytest.mark.parametrize("policy", ["yes", "ask", "accept-new"])
def test_a_host_that_only_a_command_may_know_is_not_accepted_unasked(
    policy: str, home: Home, host_key: Path
) -> None:
    home.configure(f"StrictHostKeyChecking {policy}", "KnownHostsCommand /usr/bin/known %H")
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        said = home.refused(port)
        home.configure("KnownHostsCommand none", "StrictHostKeyChecking accept-new")
        assert home.enter(port) == "hello"

    assert "is not known" in said
    assert "KnownHostsCommand of ssh_config(5) is not supported" in said


def test_a_password_is_asked_for(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, password=PASSWORD) as port:
        home.know(port, host_key)
        home.answers = ["wrong", PASSWORD]
        assert home.enter(port) == "hello"
        assert [question.prompt for question in home.asked] == ["me@127.0.0.1's password: "] * 2
        assert "wants a password" in home.refused(port)
        home.configure("BatchMode yes")
        home.answers = [PASSWORD]
        assert "wants a password" in home.refused(port)


def test_a_second_factor_is_asked_for_without_what_would_disturb_the_terminal(
    home: Home, host_key: Path
) -> None:
    with serve_ssh(host_key, code="123456") as port:
        home.know(port, host_key)
        home.answers = ["123456"]
        assert home.enter(port) == "hello"
        assert home.asked[0].prompt == r"(me@127.0.0.1) Verification\x1b[2J code: "
        home.refused(port)


# Hosts that are not there


def test_a_port_where_nothing_listens_is_told(home: Home) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "no ssh service listens there" in home.refused(port)


def test_a_name_that_nothing_resolves_is_told(home: Home) -> None:
    assert "cannot be resolved" in home.refused(22, host="no-such-host.invalid")


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3])
def test_a_service_that_is_not_ssh_is_told(greeting: bytes, home: Home) -> None:
    home.configure("ConnectTimeout 1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def answer() -> None:
            client, _ = listener.accept()
            client.sendall(greeting)
            if greeting:
                client.close()
            else:
                kept.append(client)

        thread = threading.Thread(target=answer)
        thread.start()
        said = home.refused(listener.getsockname()[1])
        thread.join()
        for client in kept:
            client.close()

    assert said.startswith("ssh to me@127.0.0.1: ")


def test_threads_wait_for_one_connection(home: Home, host_key: Path) -> None:
    with serve_ssh(host_key, authorized=home.key("id_ed25519")) as port:
        home.know(port, host_key)
        address = EngineAddress(url=f"ssh://me@127.0.0.1:{port}{home.socket}")
        said: list[str] = []
        with closing(SshRoute(address, lambda: home.path / "s", ask=home.ask)) as route:

            def dial() -> None:
                with route.dial(10) as connection:
                    said.append(connection.recv(5).decode())

            threads = [threading.Thread(target=dial) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert said == ["hello"] * 8

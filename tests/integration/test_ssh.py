"""The way to an engine over ssh, against a real sshd."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest

from ramalama_engines.address import EngineAddress
from ramalama_engines.errors import EngineUnavailable, RemoteFileError
from ramalama_engines.ssh.route import SshRoute
from tests.contract.containers import background, in_forked_process
from tests.lab.service import program
from tests.lab.sshd import SshService, make_key, sshd

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen")]

PATIENCE: Final = 30.0
NOTICED: Final = 20.0  # seconds; it takes ten to notice a dead host and not to wait any more


@pytest.fixture(scope="session")
def plain_sshd(lab: Path) -> Generator[SshService]:
    with sshd(lab / "sshd") as service:
        yield service


@pytest.fixture(autouse=True)
def _home(plain_sshd: SshService, monkeypatch: pytest.MonkeyPatch) -> None:
    live_in(plain_sshd, monkeypatch)


def live_in(service: SshService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(service.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@contextmanager
def route_to(service: SshService, path: str | Path, sockets: Path) -> Generator[SshRoute]:
    address = EngineAddress(url=service.url(path))
    with closing(SshRoute(address, lambda: sockets, ask=lambda _: None)) as route:
        yield route


@pytest.fixture
def echo(lab: Path) -> Iterator[Echo]:
    with closing(Echo(lab / f"echo-{time.monotonic_ns()}")) as service:
        yield service


class Echo:
    """A service at a UNIX socket: it sends back all that it gets, then its length, at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()  # from here on there are no more ends
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with self._listener, suppress(OSError):
            while True:
                end, _ = self._listener.accept()
                self._ends.append(end)
                self._threads.append(threading.Thread(target=self._serve, args=(end,)))
                self._threads[-1].start()

    def _serve(self, end: socket.socket) -> None:
        size = 0
        with end, suppress(OSError):
            while piece := end.recv(1 << 16):
                size += len(piece)
                end.sendall(piece)
            end.sendall(f"\n{size}".encode())
            end.shutdown(socket.SHUT_RDWR)


def send_all(connection: socket.socket, content: bytes) -> None:
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.fixture
def route(plain_sshd: SshService, echo: Echo, tmp_path: Path) -> Generator[SshRoute]:
    with route_to(plain_sshd, echo.path, tmp_path / "s") as route:
        yield route


def test_both_directions_of_a_stream_end_by_themselves(route: SshRoute) -> None:
    with route.dial(PATIENCE) as connection:
        sent = os.urandom(300_000)
        background(lambda: send_all(connection, sent))

        assert read_all(connection) == sent + b"\n300000"


def test_a_forwarded_socket_leads_there_and_only_its_user_can_reach_it(
    route: SshRoute, echo: Echo, tmp_path: Path
) -> None:
    path = route.ssh.forward_socket(str(echo.path))

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"hello\n5"
    assert path.parent == tmp_path / "s"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    route.ssh.release(path)
    route.ssh.release(path)
    assert not path.exists()


def test_nothing_is_left_of_a_closed_route(route: SshRoute, echo: Echo, tmp_path: Path) -> None:
    path = route.ssh.forward_socket(str(echo.path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))

        route.close()

        assert read_all(client) == b""
    assert not (tmp_path / "s").exists()
    with pytest.raises(EngineUnavailable, match="closed"):
        route.dial(PATIENCE)


def test_a_forwarded_port_leads_to_what_the_host_reaches(
    route: SshRoute, plain_sshd: SshService
) -> None:
    port = route.ssh.forward_port("127.0.0.1", plain_sshd.port)

    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        assert client.recv(4) == b"SSH-"


def test_a_forwarded_port_has_the_wanted_number_if_that_is_free(
    route: SshRoute, plain_sshd: SshService
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        other = route.ssh.forward_port("127.0.0.1", plain_sshd.port, local=wanted)
    port = route.ssh.forward_port("127.0.0.1", plain_sshd.port, local=wanted)

    assert other != wanted
    assert port == wanted


def test_what_nobody_reads_is_not_kept_in_memory(route: SshRoute) -> None:
    with route.dial(2) as connection, pytest.raises(TimeoutError):
        connection.sendall(bytes(64 << 20))  # the echo waits for a reader, who does not come


def test_a_socket_that_is_not_there_is_told_with_what_starts_it(
    plain_sshd: SshService, tmp_path: Path
) -> None:
    with (
        route_to(plain_sshd, "/run/no/podman.sock", tmp_path / "s") as route,
        pytest.raises(EngineUnavailable, match=r"nothing listens at /run/no/podman\.sock on root@"),
    ):
        route.dial(PATIENCE)


def test_a_lost_connection_is_opened_again_by_the_next_call(
    route: SshRoute, plain_sshd: SshService, echo: Echo
) -> None:
    path = route.ssh.forward_socket(str(echo.path))
    with route.dial(PATIENCE) as connection:
        connection.sendall(b"before")
        assert connection.recv(6) == b"before"
        plain_sshd.cut()
        assert connection.recv(6) == b""

    with route.dial(PATIENCE) as connection:
        connection.sendall(b"after")
        assert connection.recv(5) == b"after"
    plain_sshd.cut()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"again")
        assert client.recv(5) == b"again"


def test_polls_of_a_forwarded_socket_end_soon_while_the_host_is_away(
    echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd(tmp_path / "sshd") as service:
        live_in(service, monkeypatch)
        with route_to(service, echo.path, tmp_path / "s") as route:
            path = route.ssh.forward_socket(str(echo.path))
            with (service.home / ".ssh/config").open("a") as config:
                config.write("ConnectTimeout 1\n")
            service.cut()
            with service.frozen():
                start = time.monotonic()
                for _ in range(20):
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(str(path))
                        with suppress(ConnectionError):
                            assert client.recv(1) == b""
                assert time.monotonic() - start < PATIENCE / 2


def test_a_frozen_host_is_noticed_and_told_soon(route: SshRoute, plain_sshd: SshService) -> None:
    with route.dial(PATIENCE) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        with plain_sshd.frozen():
            start = time.monotonic()
            assert connection.recv(1) == b""
            with pytest.raises(EngineUnavailable, match="no answer within"):
                route.dial(PATIENCE)
            assert time.monotonic() - start < NOTICED


def test_a_host_that_has_just_not_answered_is_not_waited_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echo: Echo
) -> None:
    with sshd(tmp_path / "sshd") as service:
        live_in(service, monkeypatch)
        with (service.home / ".ssh/config").open("a") as config:
            config.write("ConnectTimeout 3\n")
        with route_to(service, echo.path, tmp_path / "s") as route, service.frozen():
            with pytest.raises(EngineUnavailable):
                route.dial(PATIENCE)
            start = time.monotonic()
            for _ in range(3):
                with pytest.raises(EngineUnavailable, match="no answer within 3 seconds"):
                    route.dial(PATIENCE)

    assert time.monotonic() - start < 2


def test_a_route_to_a_frozen_host_closes_soon_and_wakes_who_waits(
    route: SshRoute, plain_sshd: SshService
) -> None:
    connection = route.dial(PATIENCE)
    with connection, plain_sshd.frozen():
        reader = background(lambda: connection.recv(1))
        dialler = background(lambda: route.dial(PATIENCE))
        time.sleep(0.2)
        start = time.monotonic()

        route.close()

        assert time.monotonic() - start < 4
        assert reader.result(PATIENCE) == b""
        with pytest.raises(EngineUnavailable):
            dialler.result(PATIENCE)


def test_a_forked_process_opens_its_own_connection_and_leaves_its_parents_alone(
    route: SshRoute,
) -> None:
    with route.dial(PATIENCE) as connection:

        def use() -> None:
            with route.dial(PATIENCE) as own:
                own.sendall(b"child")
                assert own.recv(5) == b"child"
            route.close()

        assert in_forked_process(use) == 0
        assert in_forked_process(route.close) == 0
        connection.sendall(b"parent")
        assert connection.recv(6) == b"parent"


@pytest.mark.parametrize("setting", ["AllowStreamLocalForwarding no", "DisableForwarding yes"])
def test_a_host_that_forwards_no_sockets_is_told(
    setting: str, echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd(tmp_path / "sshd", setting) as service:
        live_in(service, monkeypatch)
        with (
            route_to(service, echo.path, tmp_path / "s") as route,
            pytest.raises(EngineUnavailable, match="AllowStreamLocalForwarding"),
        ):
            route.dial(PATIENCE)


@pytest.mark.parametrize("setting", ["MaxSessions 1", "MaxSessions 0", "ForceCommand false"])
def test_a_host_that_allows_few_sessions_is_enough(
    setting: str, echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd(tmp_path / "sshd", setting) as service:
        live_in(service, monkeypatch)
        with route_to(service, echo.path, tmp_path / "s") as route:
            for _ in range(3):
                with route.dial(PATIENCE) as connection:
                    connection.sendall(b"x")
                    assert connection.recv(1) == b"x"
            has_files = route.ssh.files is not None
            assert has_files == (setting == "MaxSessions 1")


def test_a_key_of_the_agent_is_chosen_by_its_public_part(
    echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd(tmp_path / "sshd", "MaxAuthTries 2") as service, agent(tmp_path / "agent"):
        live_in(service, monkeypatch)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        for number in range(3):
            make_key(tmp_path / f"other{number}")
            subprocess.run([program("ssh-add"), "-q", str(tmp_path / f"other{number}")], check=True)
        subprocess.run([program("ssh-add"), "-q", str(service.identity)], check=True)
        (service.home / "mine.pub").write_text((service.directory / "identity.pub").read_text())
        settings = service.home / ".ssh/config"
        settings.write_text("IdentityFile ~/mine\nIdentitiesOnly yes\n")
        with (
            route_to(service, echo.path, tmp_path / "s") as route,
            route.dial(PATIENCE) as connection,
        ):
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        settings.write_text("")
        with (
            route_to(service, echo.path, tmp_path / "s") as route,
            pytest.raises(EngineUnavailable, match="ssh to root@"),
        ):
            route.dial(PATIENCE)


@contextmanager
def agent(path: Path) -> Generator[None]:
    """Run an agent without keys at the socket *path*."""
    with subprocess.Popen(
        [program("ssh-agent"), "-D", "-a", str(path)], stdout=subprocess.DEVNULL
    ) as process:
        while not path.exists():
            time.sleep(0.01)
        try:
            yield
        finally:
            process.terminate()


class TestFiles:
    @pytest.fixture
    def far(self, tmp_path: Path) -> Path:
        return tmp_path / "far"

    def test_where_there_can_be_no_directory_the_host_is_asked_only_once(
        self, route: SshRoute
    ) -> None:
        files = route.ssh.files
        assert files is not None

        with pytest.raises(RemoteFileError, match="no such file") as caught:
            files.make_directory("/proc/nothing/here")  # no mkdir(2) works there, but /proc exists

        assert caught.value.missing

    def test_files_are_made_found_read_and_removed(self, route: SshRoute, far: Path) -> None:
        files = route.ssh.files
        assert files is not None
        files.make_directory(f"{far}/a/b")
        files.make_directory(f"{far}/a/b")
        files.write(f"{far}/a/b/f", b"hello")

        found = files.find(f"{far}/a/b/f")

        assert found is not None
        assert (found.size, found.uid, found.is_directory, found.is_link) == (5, 0, False, False)
        assert files.read(f"{far}/a/b/f", most=4) == b"hell"
        assert list(files.listing(f"{far}/a/b")) == ["f"]
        assert files.find(f"{far}/nothing") is None
        assert files.home().startswith("/")
        files.rename(f"{far}/a/b/f", f"{far}/g")
        assert files.listing(f"{far}/a/b") == {}
        files.remove(str(far))
        files.remove(str(far))
        assert not far.exists()

    def test_links_are_removed_and_not_followed(self, route: SshRoute, far: Path) -> None:
        files = route.ssh.files
        assert files is not None
        (far / "d").mkdir(parents=True)
        kept = far.parent / "kept"
        kept.mkdir()
        (kept / "f").touch()
        (far / "d/link").symlink_to(kept)
        top = far.parent / "top"
        top.symlink_to(kept)

        files.remove(str(far))
        files.remove(str(top))

        assert not far.exists()
        assert not top.is_symlink()
        assert (kept / "f").exists()

    def test_failures_say_what_is_the_matter(self, route: SshRoute, far: Path) -> None:
        files = route.ssh.files
        assert files is not None
        far.mkdir()
        files.write(f"{far}/f", b"")
        with pytest.raises(RemoteFileError):
            files.write(f"{far}/f", b"")
        with pytest.raises(RemoteFileError, match="no such file") as missing:
            files.read(f"{far}/g", most=1)
        assert missing.value.missing

    def test_a_file_is_touched_by_the_clock_of_its_host(self, route: SshRoute, far: Path) -> None:
        files = route.ssh.files
        assert files is not None
        far.mkdir()
        files.write(f"{far}/f", b"content")
        os.utime(far / "f", (1, 1))

        files.touch(f"{far}/f")
        files.touch(f"{far}/g")

        assert abs((far / "f").stat().st_mtime - time.time()) < 60
        assert (far / "f").read_bytes() == b"content"
        assert (far / "g").exists()

    def test_an_upload_goes_on_where_it_was_cut(
        self, route: SshRoute, far: Path, plain_sshd: SshService, tmp_path: Path
    ) -> None:
        files = route.ssh.files
        assert files is not None
        source = tmp_path / "source"
        source.write_bytes(os.urandom(1 << 20) * 24)
        far.mkdir()
        before: list[int] = []

        def cut(done: int) -> None:
            before.append(done)
            if done > 8 << 20 and len(before) < 10_000:
                before.extend([0] * 10_000)
                plain_sshd.cut()

        with pytest.raises(EngineUnavailable):
            files.upload(source, f"{far}/f", on_progress=cut)
        there = (far / "f").stat().st_size
        after: list[int] = []
        files.upload(source, f"{far}/f", on_progress=after.append)

        assert there - after[0] <= 1 << 20
        assert after[-1] == 24 << 20
        assert (far / "f").read_bytes() == source.read_bytes()

    def test_an_exception_ends_an_upload_and_what_is_there_stays(
        self, route: SshRoute, far: Path, tmp_path: Path
    ) -> None:
        files = route.ssh.files
        assert files is not None
        source = tmp_path / "source"
        source.write_bytes(bytes(16 << 20))
        far.mkdir()

        def stop(done: int) -> None:
            if done > 4 << 20:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.upload(source, f"{far}/f", on_progress=stop)

        assert (far / "f").stat().st_size >= 4 << 20

    def test_a_longer_file_of_another_upload_is_overwritten(
        self, route: SshRoute, far: Path, tmp_path: Path
    ) -> None:
        files = route.ssh.files
        assert files is not None
        source = tmp_path / "source"
        source.write_bytes(b"short")
        far.mkdir()
        (far / "f").write_bytes(b"much longer")

        files.upload(source, f"{far}/f")

        assert (far / "f").read_bytes() == b"short"

    def test_a_full_disk_is_told(self, route: SshRoute, far: Path, tmp_path: Path) -> None:
        files = route.ssh.files
        assert files is not None
        far.mkdir()
        source = tmp_path / "source"
        source.write_bytes(bytes(6 << 20))
        mount = [program("mount"), "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(far)]
        subprocess.run(mount, check=True)
        try:
            free = files.free_space(str(far))
            with pytest.raises(RemoteFileError, match="no space left") as full:
                files.upload(source, f"{far}/f")
        finally:
            subprocess.run([program("umount"), str(far)], check=True)
        assert free == 4 << 20
        assert full.value.full

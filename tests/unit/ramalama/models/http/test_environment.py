"""Proxies and certificate authorities of the environment, in commands of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.doubles.server import FileServer, serve_bytes
from tests.lab.registry import free_port
from tests.unit.ramalama.models.formats.made_gguf import gguf

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ELSEWHERE = "http://nowhere.invalid/tiny.gguf"
HIDDEN = "s3cret"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        running.routes["/tiny.gguf"] = serve_bytes(gguf({}))
        yield running


@pytest.fixture
def socks() -> Generator[str]:
    port = free_port()
    command = ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "ann", "-P", HIDDEN]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_for(port)
        yield f"socks5://ann:{HIDDEN}@127.0.0.1:{port}"
        process.kill()


def wait_for(port: int) -> None:
    """Wait until something listens at the port."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    pytest.fail(f"nothing listens at port {port}")


def pull(home: Path, url: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ramalama", "--store", str(home / "store"), "pull", url]
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    clean |= {"HOME": str(home), **env}
    return subprocess.run(words, env=clean, text=True, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        (f"socks4://ann:{HIDDEN}@127.0.0.1:9", "a proxy cannot be used by socks4; the choices are"),
        (f"ftp://ann:{HIDDEN}@127.0.0.1:9", "a proxy cannot be used by ftp; the choices are"),
        (f"http://ann:{HIDDEN}@127.0.0.1:99999", "is not the address of a proxy"),
        (f"http://ann:{HIDDEN}@127.0.0.1:nine", "is not the address of a proxy"),
        (f"http://ann:{HIDDEN}@[::1", "is not the address of a proxy"),
        ("http://", "is not the address of a proxy"),
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "http_proxy"])
def test_a_proxy_that_cannot_be_used_is_one_line_about_its_variable(
    tmp_path: Path, variable: str, proxy: str, why: str
) -> None:
    failed = pull(tmp_path, ELSEWHERE, **{variable: proxy})

    assert (failed.returncode, failed.stderr.count("\n")) == (22, 1)
    assert f"{variable}" in failed.stderr
    assert why in failed.stderr
    assert HIDDEN not in failed.stderr


@pytest.mark.parametrize("proxy", ["socks4://h", "http://h:99999", "http://[::1"])
def test_no_proxy_wins_over_a_proxy_that_cannot_be_used(
    tmp_path: Path, server: FileServer, proxy: str
) -> None:
    hosts = {"NO_PROXY": "127.0.0.1", "ALL_PROXY": proxy}

    assert pull(tmp_path, f"{server.url}/tiny.gguf", **hosts).returncode == 0


def test_a_proxy_for_other_addresses_may_be_invalid(tmp_path: Path, server: FileServer) -> None:
    server.routes[ELSEWHERE] = server.routes["/tiny.gguf"]
    assert pull(tmp_path, ELSEWHERE, http_proxy=server.url, https_proxy="foo://h").returncode == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_not_taken_for_the_server(
    tmp_path: Path, scheme: str
) -> None:
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        asked: list[bytes] = []

        def refuse() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    connection, _ = proxy.accept()
                    with connection:
                        asked.append(connection.recv(4096))
                        connection.sendall(answer)

        threading.Thread(target=refuse, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        failed = pull(tmp_path, f"{scheme}://nowhere.invalid/m.gguf", ALL_PROXY=address)
        proxy.shutdown(socket.SHUT_RDWR)

    assert (failed.returncode, len(asked)) == (22, 1)
    assert failed.stderr.endswith(
        "nowhere.invalid cannot be used: the proxy refuses the connection "
        "(407 Proxy Authentication Required); "
        "user and password belong into the address of the proxy\n"
    )


@pytest.mark.programs("microsocks")
def test_a_model_comes_through_a_socks_proxy(
    tmp_path: Path, server: FileServer, socks: str
) -> None:
    pulled = pull(tmp_path, f"{server.url}/tiny.gguf", ALL_PROXY=socks)
    refused = pull(tmp_path, ELSEWHERE, ALL_PROXY=socks.replace(HIDDEN, "wrong"))

    assert (pulled.returncode, pulled.stdout) == (0, f"{server.url}/tiny.gguf\n")
    assert refused.returncode == 22
    assert "wrong" not in refused.stderr


def test_without_its_package_a_socks_proxy_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['socksio'] = None")
    failed = pull(tmp_path, ELSEWHERE, ALL_PROXY="socks5h://h", PYTHONPATH=str(tmp_path))

    assert failed.returncode == 22
    assert 'ALL_PROXY: a package is missing for SOCKS proxies; install "ramalama[socks]"' in (
        failed.stderr
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "No such file or directory"),
        (".", "Is a directory"),
        ("text", "no certificate in it"),
    ],
)
def test_a_certificate_file_that_cannot_be_used_is_named_with_its_variable(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "text").write_text("no certificate")
    failed = pull(tmp_path, "https://nowhere.invalid/m.gguf", SSL_CERT_FILE=str(tmp_path / name))

    assert failed.returncode == 22
    assert failed.stderr == (
        f"Error: SSL_CERT_FILE: {tmp_path / name} cannot be used: {reason}; "
        "it must be a file of certificates in PEM format\n"
    )

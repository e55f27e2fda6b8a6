"""Pages of the web: what they redirect to is fetched from public hosts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.errors import OptionRefused
from ramalama.rag.documents.limits import LARGEST_FILE, Unreadable
from ramalama.rag.documents.web import Web, is_public, opened_web
from tests.doubles.server import FileServer, Reply, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Generator

_PUBLIC = "93.184.215.14"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        running.routes["/secret"] = serve_bytes(b"of the local network")
        yield running


@pytest.fixture
def web() -> Generator[Web]:
    with opened_web() as opened:
        yield opened


def reason(web: Web, url: str) -> str:
    with pytest.raises(Unreadable) as caught:
        web.open(url).load()
    return caught.value.reason


def test_a_page_is_fetched_with_its_type_and_known_without_its_fragment(
    server: FileServer, web: Web
) -> None:
    server.routes["/a"] = serve_bytes(b"<p>x", content_type="text/html; charset=utf-8")

    loaded = web.open(f"{server.url}/a#part").load()

    assert (loaded.uri, loaded.data) == (f"{server.url}/a", b"<p>x")
    assert loaded.media_type == "text/html; charset=utf-8"


def test_a_host_that_the_user_names_may_be_local_and_redirect_to_itself(
    server: FileServer, web: Web
) -> None:
    server.routes["/a"] = lambda _: Reply.redirect("/secret")

    assert web.open(f"{server.url}/a").load().data == b"of the local network"


def test_a_redirect_to_another_host_that_the_user_names_is_followed(
    server: FileServer, web: Web
) -> None:
    server.routes["/a"] = lambda _: Reply.redirect(f"{server.other_url}/secret")
    web.open(f"{server.other_url}/b")

    assert web.open(f"{server.url}/a").load().data == b"of the local network"


@pytest.mark.parametrize(
    "host",
    ["localhost", "x.localhost", "127.1", "0", "[::1]", "2130706433", "169.254.169.254"],
)
def test_a_redirect_to_the_local_network_is_refused_before_anything_is_asked(
    server: FileServer, web: Web, host: str
) -> None:
    server.routes["/a"] = lambda _: Reply.redirect(f"http://{host}:{server.port}/secret")

    shown = host.strip("[]")
    expected = f"cannot be fetched: it redirects to {shown}, which is in the local network"
    assert reason(web, f"{server.url}/a") == expected
    assert not server.asked("/secret")


def test_a_name_that_has_a_local_address_among_others_is_refused(server: FileServer) -> None:
    server.routes["/a"] = lambda _: Reply.redirect(f"http://intranet.example:{server.port}/secret")

    with opened_web(lambda _: [_PUBLIC, "10.0.0.1"]) as web:
        assert "is in the local network" in reason(web, f"{server.url}/a")


def test_an_answer_of_a_local_address_is_not_read_though_its_name_had_a_public_one(
    server: FileServer,
) -> None:
    server.routes["/a"] = lambda _: Reply.redirect(f"http://127.1:{server.port}/secret")

    with opened_web(lambda _: [_PUBLIC]) as web:
        assert "is in the local network" in reason(web, f"{server.url}/a")


@pytest.mark.parametrize("url", ["http://", "http://[::1", "https:///x"])
def test_what_is_no_url_is_refused(web: Web, url: str) -> None:
    with pytest.raises(OptionRefused, match="is not a URL"):
        web.open(url)


def test_a_password_in_a_url_is_refused_and_not_shown(web: Web) -> None:
    with pytest.raises(OptionRefused) as caught:
        web.open("https://me:s3cret@example.com/")

    assert "s3cret" not in str(caught.value)


def test_a_page_that_is_not_there_says_so(server: FileServer, web: Web) -> None:
    assert reason(web, f"{server.url}/b") == "cannot be fetched: the server answers 404"


def test_a_page_that_never_ends_is_cut_at_a_limit(server: FileServer, web: Web) -> None:
    server.routes["/a"] = lambda _: Reply(length=LARGEST_FILE * 2, body=bytes(LARGEST_FILE + 10))

    assert reason(web, f"{server.url}/a") == "is larger than 64 MiB"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (_PUBLIC, True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),  # noqa: S104 (an address to refuse)
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        (f"::ffff:{_PUBLIC}", True),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("no address", False),
    ],
)
def test_a_public_address_is_one_that_any_host_of_the_internet_may_have(
    address: str, *, expected: bool
) -> None:
    assert is_public(address) is expected


def test_a_redirect_to_another_program_of_the_named_host_is_refused(
    server: FileServer, web: Web
) -> None:
    with FileServer() as other:
        other.routes["/secret"] = serve_bytes(b"of another program")
        server.routes["/a"] = lambda _: Reply.redirect(f"{other.url}/secret")

        assert "which is in the local network" in reason(web, f"{server.url}/a")
        assert not other.asked("/secret")

"""Models at web addresses, from a server on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import (
    AccessDenied,
    ModelError,
    ModelPullError,
    ModelUnsupported,
    UnknownModel,
)
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.url import UrlTransport
from tests.doubles.faults import faulty, ignore_ranges, stall, times, with_headers, without_length
from tests.doubles.faults import refuse as refuse_with
from tests.doubles.server import FileServer, Reply, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ramalama.models.transports.base import RemoteFile, RemoteModel

HASTE = RetryPolicy(tries=2, sleep=lambda _seconds: None)
MODEL = b"GGUF" + bytes(1000)
HEX = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with open_http() as opened:
        yield opened


@pytest.fixture
def find(server: FileServer, client: httpx2.Client) -> Callable[[str], RemoteModel]:
    def find_here(path: str) -> RemoteModel:
        transport = UrlTransport(client=client, retry_policy=HASTE)
        return transport.find(ModelRef.parse(server.url + path), ModelFormat.GGUF)

    return find_here


def the_file(model: RemoteModel) -> RemoteFile:
    (file,) = model.files
    return file


def test_a_file_is_found_with_its_name_and_size_by_a_request_for_four_bytes(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/dir/ai.gguf"] = serve_bytes(MODEL)

    file = the_file(find("/dir/ai.gguf"))

    assert (file.name, file.kind, file.blob.size) == ("ai.gguf", FileKind.GGUF, len(MODEL))
    assert [request.headers["range"] for request in server.requests] == ["bytes=0-3"]


def test_a_server_that_cannot_send_parts_is_hung_up_on_after_the_first_bytes(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/ai.gguf"] = faulty(serve_bytes(MODEL), ignore_ranges, stall(after=100))

    assert the_file(find("/ai.gguf")).blob.size == len(MODEL)


def test_a_size_that_no_header_tells_is_not_known(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/a.gguf"] = faulty(serve_bytes(MODEL), ignore_ranges, without_length)
    server.routes["/b.gguf"] = lambda _: Reply(
        status=206, headers={"content-range": "bytes 0-3/*"}, body=b"GGUF"
    )

    assert the_file(find("/a.gguf")).blob.size is None
    assert the_file(find("/b.gguf")).blob.size is None


def test_a_file_that_changes_is_not_the_same_any_more(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    def identity() -> str:
        return the_file(find("/ai.gguf?v=1")).blob.identity

    server.routes["/ai.gguf"] = serve_bytes(MODEL, etag='"1"')
    first = identity()
    server.routes["/ai.gguf"] = serve_bytes(MODEL, etag='"2"')
    second = identity()
    dated = with_headers({"last-modified": "Mon, 09 Nov 2026 10:00:00 GMT"})
    server.routes["/ai.gguf"] = faulty(serve_bytes(MODEL, etag=None), dated)
    third = identity()

    assert first == f'{server.url}/ai.gguf?v=1 "1"'
    assert second == f'{server.url}/ai.gguf?v=1 "2"'
    assert third == f"{server.url}/ai.gguf?v=1 Mon, 09 Nov 2026 10:00:00 GMT"


def test_a_digest_in_the_reference_is_the_blobs(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/ai.gguf"] = serve_bytes(MODEL)

    blob = the_file(find(f"/ai.gguf#sha256={HEX}")).blob

    assert (blob.digest, blob.identity) == (Digest(HEX), f"sha256:{HEX}")
    assert blob.locate().url == f"{server.url}/ai.gguf"


def test_without_one_the_bytes_are_not_verified(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/ai.gguf"] = serve_bytes(MODEL)

    assert the_file(find("/ai.gguf")).blob.digest is None


@pytest.mark.parametrize(
    ("etag", "headers", "revision"),
    [
        ('"1"', {}, '"1"'),
        ('"1"', {"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, '"1"'),
        (None, {"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (None, {}, None),
    ],
)
def test_what_changes_with_the_content_is_its_revision(
    etag: str | None,
    headers: dict[str, str],
    revision: str | None,
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    server.routes["/ai.gguf"] = faulty(serve_bytes(MODEL, etag=etag), with_headers(headers))

    assert find("/ai.gguf").revision == revision


@pytest.mark.parametrize("number", [1, 2])
def test_all_parts_of_a_split_model_are_found_whichever_is_named(
    number: int, server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    for part in (1, 2):
        named = with_headers({"content-disposition": "attachment; filename=other.gguf"})
        route = faulty(serve_bytes(MODEL + bytes(part)), named)
        server.routes[f"/a b/big-0000{part}-of-00002.gguf"] = route

    model = find(f"/a%20b/big-0000{number}-of-00002.gguf?x=1#sha256={HEX}")

    assert [file.name for file in model.files] == [
        "big-00001-of-00002.gguf",
        "big-00002-of-00002.gguf",
    ]
    assert [file.blob.size for file in model.files] == [len(MODEL) + 1, len(MODEL) + 2]
    assert [file.blob.digest is None for file in model.files] == [number != 1, number != 2]
    assert [file.blob.locate().url for file in model.files] == [
        f"{server.url}/a%20b/big-00001-of-00002.gguf?x=1",
        f"{server.url}/a%20b/big-00002-of-00002.gguf?x=1",
    ]


def test_a_part_that_is_missing_is_named(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/big-00001-of-00002.gguf"] = serve_bytes(MODEL)

    with pytest.raises(UnknownModel, match=r"^there is no http://.*/big-00002-of-00002\.gguf$"):
        find("/big-00001-of-00002.gguf")


def test_an_absurd_number_of_parts_is_not_asked_for(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    with pytest.raises(ModelUnsupported, match="says that it is part of 99999 files"):
        find("/big-00001-of-99999.gguf")

    assert server.requests == []


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/ai.model", "", "ai.model"),
        ("/download?id=5", "attachment; filename=granite.gguf", "granite.gguf"),
        ("/download", 'attachment; filename="two words.gguf"; size=5', "two words.gguf"),
        ("/download", 'attachment; filename="a \\"b\\".gguf"', 'a "b".gguf'),
        ("/download", "inline; FILENAME*=UTF-8''%F0%9F%A6%AD.gguf; filename=x", "🦭.gguf"),
        ("/download", "attachment; filename=x.gguf; filename*=utf-8'en'y.gguf", "y.gguf"),
        ("/download", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("/download", 'attachment; filename="C:\\\\models\\\\m.gguf"', "m.gguf"),
        ("/download", "attachment; filename*=UTF-8''..%2F..%2Fx%00%0Ay.gguf", "xy.gguf"),
        ("/download", 'attachment; filename=".."', "download"),
        ("/download", "attachment; filename=.bashrc", "bashrc"),
        ("/download", f"attachment; filename={'x' * 256}", "download"),
        ("/download", "attachment", "download"),
        ("/two%20words.gguf", "", "two words.gguf"),
        ("/a/%2e%2e%2f%2e%2e%2fx.gguf", "", "x.gguf"),
        ("/dir/?id=5", "", "model.gguf"),
    ],
)
def test_a_file_is_called_as_the_server_says_or_as_its_address_does(
    path: str,
    disposition: str,
    name: str,
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    server.routes["/"] = faulty(
        serve_bytes(MODEL), with_headers({"content-disposition": disposition})
    )

    assert the_file(find(path)).name == name


def test_the_name_is_the_addresss_and_not_that_of_the_store_it_redirects_to(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/ai.gguf"] = lambda _: Reply.redirect(f"{server.other_url}/0a1b2c?signature=x")
    server.routes["/0a1b2c"] = serve_bytes(MODEL)

    file = the_file(find("/ai.gguf"))

    assert file.name == "ai.gguf"
    assert file.blob.locate().url == f"{server.url}/ai.gguf"
    assert "signature" not in file.blob.identity


@pytest.mark.parametrize(
    ("path", "body", "kind", "reason"),
    [
        ("/ai.gguf", b"<!DOCTYPE html>", "text/html", "is a web page, not a model"),
        ("/ai.gguf", b"\n<html>", "application/octet-stream", "is a web page, not a model"),
        ("/ai.gguf", b"Sign in", "text/html; charset=utf-8", "is a web page, not a model"),
        ("/m.safetensors", b"\x08\0\0\0\0\0\0\0{}", "", "without configuration and token"),
        ("/m.SAFETENSORS?x", b"<html>", "text/html", "without configuration and token"),
        (
            "/ai.gguf",
            b"version https://git-lfs.github.com/spec/v1\n",
            "",
            "is a pointer of Git LFS",
        ),
        ("/ai.gguf", b"PK\x03\x04", "", "is a zip archive"),
        ("/ai.gguf", b"GGU", "", "is not a GGUF file"),
        ("/ai.gguf", b"FUGG", "", "is not a GGUF file"),
    ],
)
@pytest.mark.parametrize("ranges", [True, False])
def test_what_is_no_model_is_refused_before_it_is_downloaded(  # noqa: PLR0913, PLR0917 (a table's columns)
    path: str,
    body: bytes,
    kind: str,
    reason: str,
    ranges: bool,  # noqa: FBT001 (a table's column)
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    route = serve_bytes(body, content_type=kind)
    server.routes[path.partition("?")[0]] = route if ranges else faulty(route, ignore_ranges)

    with pytest.raises(ModelUnsupported, match=reason):
        find(path)


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(status=401), AccessDenied, "; download it yourself"),
        (Reply(status=403), AccessDenied, "; download it yourself"),
        (Reply(status=404), UnknownModel, "there is no http://127"),
        (Reply(status=410), UnknownModel, "there is no http://127"),
        (Reply(status=416), ModelUnsupported, "is empty"),
        (Reply(status=429), ModelPullError, "cannot be used: it answers 429"),
        (Reply(status=500), ModelPullError, "cannot be used: it answers 500"),
        (Reply(status=418), ModelPullError, "answered 418 for http://127"),
        (Reply(status=200), ModelUnsupported, "is not a GGUF file"),
        (Reply(body=b"GGUF", length=99, cut_after=2), ModelPullError, "cannot be used"),
        (
            Reply(headers={"content-encoding": "gzip"}, body=b"GGUF"),
            ModelPullError,
            "comes compressed",
        ),
        (
            Reply(status=206, headers={"content-range": "bytes 4-7/9"}, body=b"GGUF"),
            ModelPullError,
            "sends other bytes than requested",
        ),
        (
            Reply(status=206, body=b"GGUF"),
            ModelPullError,
            "sends other bytes than requested",
        ),
    ],
)
def test_a_server_that_refuses_or_misbehaves_is_a_model_error_of_one_line(
    reply: Reply,
    error: type[ModelError],
    words: str,
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    server.routes["/ai.gguf"] = lambda _: reply

    with pytest.raises(error) as caught:
        find("/ai.gguf")

    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_failure_that_passes_is_not_even_noticed(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    busy = times(1, refuse_with(Reply(status=503)))
    server.routes["/ai.gguf"] = faulty(serve_bytes(MODEL), busy)

    assert the_file(find("/ai.gguf")).blob.size == len(MODEL)


def test_a_server_that_does_not_run_is_a_model_error_that_names_it(
    client: httpx2.Client,
) -> None:
    with FileServer() as closed:
        url = closed.url
    transport = UrlTransport(client=client, retry_policy=HASTE)

    with pytest.raises(ModelPullError, match=r"^127\.0\.0\.1:[0-9]+ cannot be used: Connection r"):
        transport.find(ModelRef.parse(f"{url}/ai.gguf"), ModelFormat.GGUF)


def answer_without_tls(request: httpx2.Request) -> httpx2.Response:
    if request.url.scheme == "https":
        elsewhere = {"location": "http://evil.example/"}
        return httpx2.Response(302, headers=elsewhere, stream=httpx2.ByteStream(b""))
    return httpx2.Response(200, stream=httpx2.ByteStream(MODEL))


def test_a_redirect_to_a_place_without_tls_is_followed_only_for_a_digest_that_is_known() -> None:
    with httpx2.Client(transport=httpx2.MockTransport(answer_without_tls)) as client:
        transport = UrlTransport(client=client)

        with pytest.raises(ModelPullError, match="redirects to a server without TLS"):
            transport.find(ModelRef.parse("https://e.com/ai.gguf"), ModelFormat.GGUF)
        model = transport.find(
            ModelRef.parse(f"https://e.com/ai.gguf#sha256={HEX}"), ModelFormat.GGUF
        )

    assert the_file(model).blob.digest == Digest(HEX)


HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-disposition", "content-length", "content-range", "content-type", "etag"]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))
    | st.sampled_from(["bytes 0-3/9", "bytes 0-3/" + "9" * 5000, "attachment; filename=../x"])
    | st.from_regex(r"(?s)attachment; *filename\*?=(utf-8''|\"|).{0,30}\"?", fullmatch=True),
)


@given(headers=HEADERS, status=st.sampled_from([200, 206, 301, 304, 404]))
def test_whatever_a_server_says_the_file_has_a_safe_name_or_is_refused(
    headers: Mapping[str, str], status: int
) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        raw = [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
        ]
        return httpx2.Response(status, headers=raw, stream=httpx2.ByteStream(MODEL))

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        try:
            model = UrlTransport(client=client).find(
                ModelRef.parse("https://e.com/m.gguf"), ModelFormat.GGUF
            )
        except ModelError:
            return

    name = the_file(model).name
    assert name
    assert name not in (".", "..")
    assert "/" not in name
    assert name.isprintable()
    assert len(name.encode()) <= 255

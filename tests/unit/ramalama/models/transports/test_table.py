"""Which transport a scheme has, and that everything it opens is closed with it."""

from __future__ import annotations

import sys
from subprocess import run
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ModelPullError
from ramalama.models.http.client import ask
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports import TRANSPORTS, load_transport, open_transport
from ramalama.models.transports.base import TransportContext
from ramalama_engines.user import InvokingUser
from tests.doubles import ollama
from tests.doubles.server import FileServer, Reply, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx2

GGUF = b"GGUF" + bytes(100)


def context(
    home: Path, *, env: Mapping[str, str] | None = None, offline: bool = False
) -> TransportContext:
    user = InvokingUser(env=env or {}, home=home, uid=1000, root=home)
    return TransportContext(user=user, offline=offline)


def test_every_scheme_but_that_of_local_files_has_a_transport() -> None:
    assert set(TRANSPORTS) == set(Scheme) - {Scheme.FILE}


@pytest.mark.parametrize("scheme", TRANSPORTS)
def test_every_row_names_a_class_that_can_make_itself_and_find(scheme: Scheme) -> None:
    transport = load_transport(scheme)

    assert callable(transport.open)
    assert callable(transport.find)


def test_making_a_transport_sends_no_request(tmp_path: Path) -> None:
    for scheme in TRANSPORTS:
        with open_transport(scheme, context(tmp_path)) as transport:
            assert callable(transport.find)


def test_what_a_transport_finds_can_be_fetched_until_the_block_ends(tmp_path: Path) -> None:
    with FileServer({"/ai.gguf": serve_bytes(GGUF)}) as server:
        reference = ModelRef.parse(f"{server.url}/ai.gguf")

        with open_transport(reference.scheme, context(tmp_path)) as transport:
            blob = transport.find(reference, ModelFormat.GGUF).files[0].blob
            inside = ask(blob.client, blob.locate().url).body

    assert inside == GGUF
    assert blob.client.is_closed


def test_what_was_opened_is_closed_when_the_block_fails(tmp_path: Path) -> None:
    clients: list[httpx2.Client] = []

    def interrupted() -> None:
        with open_transport(reference.scheme, context(tmp_path)) as transport:
            clients.append(transport.find(reference, ModelFormat.GGUF).files[0].blob.client)
            raise KeyboardInterrupt

    with FileServer({"/ai.gguf": serve_bytes(GGUF)}) as server:
        reference = ModelRef.parse(f"{server.url}/ai.gguf")

        with pytest.raises(KeyboardInterrupt):
            interrupted()

    assert [client.is_closed for client in clients] == [True]


def test_the_ollama_transport_is_ollamas(tmp_path: Path) -> None:
    with FileServer() as server:
        ollama.publish(server, "me/m", {"model": GGUF})
        reference = ModelRef.parse(f"ollama://127.0.0.1:{server.port}/me/m")

        with open_transport(Scheme.OLLAMA, context(tmp_path)) as transport:
            assert transport.find(reference, ModelFormat.GGUF).files[0].name == "m-latest.gguf"


@pytest.mark.parametrize(
    ("text", "variable", "secret"),
    [("hf://org/repo", "HF_ENDPOINT", "HF_TOKEN"), ("ms://org/repo", "MODELSCOPE_ENDPOINT", "")],
)
def test_the_hubs_learn_of_the_users_environment(
    text: str, variable: str, secret: str, tmp_path: Path
) -> None:
    with FileServer({"/": lambda _: Reply(status=401)}) as server:
        env = {variable: server.url, **({secret: "hf_secret"} if secret else {})}
        reference = ModelRef.parse(text)

        with (
            pytest.raises((AccessDenied, ModelPullError)),
            open_transport(reference.scheme, context(tmp_path, env=env)) as transport,
        ):
            transport.find(reference, ModelFormat.GGUF)

    assert server.requests
    assert server.requests[0].headers.get("authorization") == (
        "Bearer hf_secret" if secret else None
    )


@pytest.mark.parametrize("scheme", TRANSPORTS)
def test_no_request_is_sent_offline(scheme: Scheme, tmp_path: Path) -> None:
    reference = ModelRef(scheme, "127.0.0.1:9/org/repo", "1")

    with (
        open_transport(scheme, context(tmp_path, offline=True)) as transport,
        pytest.raises(ModelPullError, match=r"is not on this machine, and offline mode is on$"),
    ):
        transport.find(reference, ModelFormat.GGUF)


def test_the_table_alone_imports_no_transport_and_no_http() -> None:
    program = (
        "import sys, ramalama.models.transports; "
        "print(*(name for name in sys.modules "
        "if name.startswith(('ramalama.models.transports.', 'httpx', 'tenacity', 'ssl'))))"
    )

    done = run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "\n"
